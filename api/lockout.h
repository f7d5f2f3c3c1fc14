/* The thread that counts the refusals of subjects (model/store/subjects.h): the loop never waits
 * for that file. What waits when the thread is free goes into one change of it, so that many
 * refusals share one wait for the disk.
 *
 *     lockout_submit  loop    the task goes out
 *     work            thread  within a change of the file that other tasks share
 *     back            loop    the change is made, or `status` says why it is not
 *
 * LOCKOUT_TASKS_MAX tasks may wait. */
#ifndef FACEPAIR_API_LOCKOUT_H
#define FACEPAIR_API_LOCKOUT_H

#include "api/service.h"
#include "server/queue.h"

/* A request's try has one task out at most, so that those of LOCKOUT_TRIES_MAX always have room. */
enum { LOCKOUT_TRIES_MAX = 4096, LOCKOUT_TASKS_MAX = LOCKOUT_TRIES_MAX + 128 };

struct lockout_task {
    struct queue_item item; /* first: the queue's own */
    struct loop_message message;
    struct service *service;
    bool durable; /* what it changes is on disk before it comes back */
    /* A status from 500 on undoes the change that is under way, and all that share it get it. */
    enum status (*work)(struct lockout_task *task, struct subjects *subjects, struct error *err);
    void (*back)(struct lockout_task *task); /* may free the task */
    enum status status;
    struct error err;
};

/* Opens the file of options.lockout, if it names a folder, and starts the thread. */
enum status lockout_start(struct service *service, struct error *err);
/* As pool_end_by. NULL is allowed, as it is for the next two. */
bool lockout_end_by(struct lockout *lockout, uint64_t until_us);
/* The tasks that wait are done; their messages are on the loop when it returns. */
void lockout_stop(struct lockout *lockout);
void lockout_destroy(struct lockout *lockout); /* stopped, and its messages have run */

/* Loop thread. service, work, back and durable are set. False: the queue is full; the task stays
 * the caller's. */
bool lockout_submit(struct lockout_task *task);

size_t lockout_length(const struct lockout *lockout); /* tasks that wait */
/* Whether one change of the file has been under way for longer than server/beat.h allows. NULL is
 * allowed: nothing hangs. */
bool lockout_hangs(const struct lockout *lockout, uint64_t least_us);

/* Places for tries; false: there are LOCKOUT_TRIES_MAX. */
bool lockout_reserve(struct service *service);
void lockout_unreserve(struct service *service);

#endif
