/* The disk thread: one, with a bounded queue, for whatever waits for disks or loads models. A task
 * goes out from the loop and comes back to it.
 */
#ifndef FACEPAIR_API_DISK_H
#define FACEPAIR_API_DISK_H

#include "api/service.h"

struct disk_task {
    struct pool_task task; /* first: the pool's own */
    struct loop_message message;
    struct service *service;
    void (*work)(struct disk_task *task); /* on the disk thread */
    void (*back)(struct disk_task *task); /* on the loop, afterwards; may free the task */
};

enum status disk_start(struct service *service, struct error *err);
/* Runs what is queued and joins the thread. Allowed where nothing was started. */
void disk_stop(struct service *service);
/* Loop thread. service, work and back are set. False: the queue is full; the task stays the
 * caller's. */
bool disk_submit(struct disk_task *task);

#endif
