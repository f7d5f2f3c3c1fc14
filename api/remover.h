/* Folders that nobody needs any more are removed on a thread of their own: a hundred thousand
 * photographs take minutes, which nothing that waits for the disk thread should wait for. They have
 * a temporary name already (model/leftovers.h), so what does not come to its end here is swept
 * later. */
#ifndef FACEPAIR_API_REMOVER_H
#define FACEPAIR_API_REMOVER_H

#include "api/service.h"

enum status remover_start(struct service *service, struct error *err);
/* Any thread. Copies the path; where the queue is full, or memory is out, it is left to the next
 * sweep. */
void remover_take(struct service *service, const char *path);
/* Loop or disk thread: what dead writers have left among the data sets. One sweep at a time. */
void remover_sweep(struct service *service);

#endif
