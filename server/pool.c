/* Threads and their start: pool_create starts all threads and waits until each has reported, with
 * its context made or with the cause why not. No task can be queued before that, because nobody
 * else has the pool yet; so a pool that fails has only threads to join.
 *
 * Each thread takes one task at a time: tasks take milliseconds, the queue's lock some tens of
 * nanoseconds, and a thread that took two would keep the second from an idle one.
 *
 * The threads block every signal, so that a signal is delivered to the loop's thread and interrupts
 * no call of a task.
 */
#include "server/pool.h"

#include "server/beat.h"
#include "server/clock.h"
#include "server/thread.h"
#include "server/wipe.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct worker {
    struct pool *pool;
    pthread_t thread;
    struct beat beat;
};

struct pool {
    struct pool_options options; /* options.name points to name */
    char name[THREAD_NAME_SIZE];
    struct queue *queue;
    unsigned started;  /* threads to join */
    atomic_uint ended; /* of those, for pool_end_by */
    /* What the threads report at their start; pool_create waits for it. */
    pthread_mutex_t lock;
    pthread_cond_t reported;
    unsigned reports;
    enum status status; /* STATUS_OK, or the first failure, with err */
    struct error err;
    struct worker workers[];
};

static void set_nice(int nice) {
    /* On Linux a thread's id stands for the thread alone. A refusal costs only politeness. */
    if (nice) {
        id_t thread = (id_t)gettid();
        setpriority(PRIO_PROCESS, thread, getpriority(PRIO_PROCESS, thread) + nice);
    }
}

static void report(struct pool *pool, enum status status, const struct error *err) {
    pthread_mutex_lock(&pool->lock);
    pool->reports++;
    if (status != STATUS_OK && pool->status == STATUS_OK) {
        pool->status = status;
        pool->err = *err;
    }
    pthread_mutex_unlock(&pool->lock);
    pthread_cond_signal(&pool->reported);
}

static void *pool_thread(void *argument) {
    struct worker *worker = argument;
    struct pool *pool = worker->pool;
    const struct pool_options *options = &pool->options;
    void *context = NULL;
    struct error err = {.detail = ""};
    set_nice(options->nice);
    enum status status = STATUS_OK;
    if (options->context_create)
        status = options->context_create(options->argument, &context, &err);
    report(pool, status, &err);
    if (status != STATUS_OK)
        return NULL;

    struct queue_item *item;
    while ((item = queue_take(pool->queue, 1))) {
        struct pool_task *task = (struct pool_task *)item;
        beat_begin(&worker->beat, clock_monotonic_us());
        task->run(task, context);
        wipe_stack();
        beat_end(&worker->beat, clock_monotonic_us());
    }
    if (options->context_destroy)
        options->context_destroy(context);
    atomic_fetch_add(&pool->ended, 1);
    return NULL;
}

/* Starts as many threads as it can; the number is in pool->started. */
static enum status start_threads(struct pool *pool, struct error *err) {
    int failure = 0;
    while (pool->started < pool->options.threads) {
        struct worker *worker = &pool->workers[pool->started];
        worker->pool = pool;
        char name[THREAD_NAME_SIZE];
        snprintf(name, sizeof name, "%.12s-%u", pool->name, pool->started % 100);
        failure = thread_start(&worker->thread, name, pool_thread, worker);
        if (failure)
            break;
        pool->started++;
    }
    if (failure)
        return error_set(err, STATUS_INTERNAL, "A thread of the pool %s cannot be started: %s.",
                         pool->name, strerror(failure));
    return STATUS_OK;
}

static enum status wait_for_reports(struct pool *pool, struct error *err) {
    pthread_mutex_lock(&pool->lock);
    while (pool->reports < pool->started)
        pthread_cond_wait(&pool->reported, &pool->lock);
    enum status status = pool->status;
    if (status != STATUS_OK && err)
        *err = pool->err;
    pthread_mutex_unlock(&pool->lock);
    return status;
}

enum status pool_create(const struct pool_options *options, struct pool **out, struct error *err) {
    assert(options->threads > 0 && options->tasks_max > 0 && options->name);
    struct pool *pool = calloc(1, sizeof *pool + options->threads * sizeof pool->workers[0]);
    if (!pool)
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    pool->options = *options;
    snprintf(pool->name, sizeof pool->name, "%s", options->name);
    pool->options.name = pool->name;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->reported, NULL);
    pool->queue = queue_create(options->tasks_max);
    if (!pool->queue) {
        pool_destroy(pool);
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    }

    enum status status = start_threads(pool, err);
    if (status == STATUS_OK)
        status = wait_for_reports(pool, err);
    if (status != STATUS_OK) {
        pool_destroy(pool);
        return status;
    }
    *out = pool;
    return STATUS_OK;
}

bool pool_submit(struct pool *pool, struct pool_task *task) {
    return queue_push(pool->queue, &task->item);
}

bool pool_submit_ahead(struct pool *pool, struct pool_task *task) {
    return queue_push_ahead(pool->queue, &task->item);
}

struct queue *pool_queue(struct pool *pool) {
    return pool->queue;
}

bool pool_hangs(const struct pool *pool, uint64_t least_us) {
    uint64_t now_us = clock_monotonic_us();
    for (unsigned i = 0; i < pool->started; i++)
        if (beat_hangs(&pool->workers[i].beat, now_us, least_us))
            return true;
    return false;
}

bool pool_end_by(struct pool *pool, uint64_t until_us) {
    if (!pool)
        return true;
    queue_close(pool->queue);
    return thread_ended_by(&pool->ended, pool->started, until_us);
}

void pool_destroy(struct pool *pool) {
    if (!pool)
        return;
    if (pool->queue)
        queue_close(pool->queue);
    for (unsigned i = 0; i < pool->started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    queue_destroy(pool->queue);
    pthread_cond_destroy(&pool->reported);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
