/* What is to be done from time to time where there is a store: promotions that jobs wished for,
 * metrics of jobs, and the removal of what has been kept long enough. */
#ifndef FACEPAIR_API_HOUSEKEEPING_H
#define FACEPAIR_API_HOUSEKEEPING_H

#include "api/service.h"

struct housekeeping;

/* Loop thread, or before it runs. */
enum status housekeeping_start(struct service *service, struct housekeeping **started,
                               struct error *err);
void housekeeping_pause(struct housekeeping *housekeeping); /* NULL is allowed, here and below */
/* Loop thread, when the disk thread is joined and its messages have run. */
void housekeeping_stop(struct housekeeping *housekeeping);

#endif
