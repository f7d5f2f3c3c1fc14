/* Following the disk: another process that shares DATA/models may promote, add or remove a model,
 * and this one does the same within a second or, where a version has to be loaded, as soon as it
 * is. */
#ifndef FACEPAIR_API_FOLLOW_H
#define FACEPAIR_API_FOLLOW_H

#include "api/service.h"

struct follow;

/* Loop thread, or before it runs. */
enum status follow_start(struct service *service, struct follow **follow, struct error *err);
/* Looks no more. */
void follow_pause(struct follow *follow);
/* Loop thread, when the disk thread is joined and its messages have run; the handle closes in a
 * later turn of the loop. NULL is allowed. */
void follow_stop(struct follow *follow);

#endif
