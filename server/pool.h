/* A fixed number of threads that run tasks from one bounded queue: work that may take milliseconds
 * of CPU and must not run on the loop. (Never uv_queue_work, which is one unbounded queue for the
 * whole process.)
 *
 * Each thread owns one `context`, made by `context_create` on that thread before its first task (a
 * face detector is not safe to share), and passed to every task it runs. Tasks start in the order
 * they were submitted, those that were submitted ahead before all others. The threads block all
 * signals.
 */
#ifndef FACEPAIR_SERVER_POOL_H
#define FACEPAIR_SERVER_POOL_H

#include "server/cpus.h"
#include "server/queue.h"
#include "server/status.h"

#include <stdint.h>

struct pool;
struct pool_task {
    struct queue_item item; /* first: the pool's own */
    /* Runs on a pool thread; may free the task. `context` is that thread's own. */
    void (*run)(struct pool_task *task, void *context);
};

struct pool_options {
    const char *name; /* of the threads, ≤ 12 characters */
    unsigned threads; /* ≥ 1 */
    size_t tasks_max; /* the queue's bound */
    int nice;         /* added to the threads' nice value: a little nicer than the loop */
    /* Called on each thread at start; pool_create fails with its status when any fails. May be
     * NULL. */
    enum status (*context_create)(void *argument, void **context, struct error *err);
    void (*context_destroy)(void *context); /* on the same thread, at its end; may be NULL */
    void *argument;                         /* of context_create */
};

/* Returns when every thread has its context, or when all are joined after one has failed. The
 * options are copied; what `argument` points to must outlive the pool. */
enum status pool_create(const struct pool_options *options, struct pool **pool, struct error *err);
bool pool_submit(struct pool *pool,
                 struct pool_task *task); /* false: full; the task stays the caller's */
bool pool_submit_ahead(struct pool *pool, struct pool_task *task);
struct queue *pool_queue(struct pool *pool); /* borrowed, for its length and capacity */
/* Whether a thread has run one task for longer than server/beat.h allows. Any thread. */
bool pool_hangs(const struct pool *pool, uint64_t least_us);
/* Takes no more, and waits until what is queued has run and its threads have ended, at most until
 * clock_monotonic_us() is until_us. False: they have not, and the pool cannot be destroyed yet
 * without waiting for them. NULL is allowed. */
bool pool_end_by(struct pool *pool, uint64_t until_us);
void pool_destroy(struct pool *pool); /* runs what is queued, joins the threads; NULL allowed */

#endif
