#include "api/lockout.h"

#include "model/store/subjects.h"
#include "server/beat.h"
#include "server/clock.h"
#include "server/log.h"
#include "server/thread.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP_MAX = 256, SWEEP_MS = 60 * 1000 };

struct lockout {
    struct lockout_task sweep; /* first: work() and back() get it */
    struct subjects *subjects; /* the thread's */
    struct queue *queue;
    pthread_t thread;
    struct beat beat;  /* of its changes */
    atomic_uint ended; /* the thread has */
    bool running, sweeping;
    bool failed; /* the last change that had to be on disk; the thread's */
    bool more;   /* for the sweep: the thread's, or the loop's when the task is back */
    uv_timer_t timer;
    size_t tries; /* the loop's */
};

/* ---- the thread ---- */

static bool undoes(enum status status) { return status_http(status) >= 500; }

/* Not one of them has changed anything where one of them could not.
 *
 * While the disk takes no refusal it takes no match either, or an answer would tell the one from
 * the other, and no refusal be counted. */
static enum status change(struct lockout *lockout, struct queue_item *first, struct error *err) {
    bool durable = lockout->failed;
    for (struct queue_item *item = first; item; item = item->next)
        durable |= ((struct lockout_task *)item)->durable;
    enum status status = subjects_begin(lockout->subjects, durable, err);
    if (status != STATUS_OK)
        return status;
    for (struct queue_item *item = first; item && status == STATUS_OK; item = item->next) {
        struct lockout_task *task = (struct lockout_task *)item;
        task->status = task->work(task, lockout->subjects, &task->err);
        if (undoes(task->status)) {
            status = task->status;
            *err = task->err;
        }
    }
    status = subjects_end(lockout->subjects, status, err);
    if (durable)
        lockout->failed = status != STATUS_OK;
    return status;
}

static void *run(void *argument) {
    struct lockout *lockout = argument;
    struct queue_item *item;
    while ((item = queue_take(lockout->queue, GROUP_MAX))) {
        struct error err = {""};
        beat_begin(&lockout->beat, clock_monotonic_us());
        enum status status = change(lockout, item, &err);
        beat_end(&lockout->beat, clock_monotonic_us());
        while (item) {
            struct lockout_task *task = (struct lockout_task *)item;
            item = item->next; /* the message may free it */
            if (status != STATUS_OK) {
                task->status = status;
                task->err = err;
            }
            loop_post(task->service->loop, &task->message);
        }
    }
    atomic_store(&lockout->ended, 1);
    return NULL;
}

static enum status start_thread(struct lockout *lockout, struct error *err) {
    int failure = thread_start(&lockout->thread, "lockout", run, lockout);
    if (failure)
        return error_set(err, STATUS_INTERNAL, "the thread that counts refusals: %s",
                         strerror(failure));
    lockout->running = true;
    return STATUS_OK;
}

/* ---- the loop ---- */

static void come_back(struct loop_message *message) {
    struct lockout_task *task =
        (struct lockout_task *)((char *)message - offsetof(struct lockout_task, message));
    task->back(task);
}

bool lockout_submit(struct lockout_task *task) {
    task->message.run = come_back;
    return queue_push(task->service->lockout->queue, &task->item);
}

size_t lockout_length(const struct lockout *lockout) { return queue_length(lockout->queue); }

bool lockout_hangs(const struct lockout *lockout, uint64_t least_us) {
    return lockout && beat_hangs(&lockout->beat, clock_monotonic_us(), least_us);
}

bool lockout_reserve(struct service *service) {
    bool has_room = service->lockout->tries < LOCKOUT_TRIES_MAX;
    service->lockout->tries += has_room;
    return has_room;
}

void lockout_unreserve(struct service *service) {
    assert(service->lockout->tries > 0);
    service->lockout->tries--;
}

/* ---- now and then ---- */

static enum status sweep(struct lockout_task *task, struct subjects *subjects, struct error *err) {
    struct lockout *lockout = (struct lockout *)task;
    return subjects_sweep(subjects, &lockout->more, err);
}

static void submit_sweep(struct lockout *lockout) {
    if (!lockout->sweeping)
        lockout->sweeping = lockout_submit(&lockout->sweep);
}

/* As much goes as has come, however many tries there were; the next piece stands behind whatever
 * waits by now. */
static void swept(struct lockout_task *task) {
    struct lockout *lockout = (struct lockout *)task;
    lockout->sweeping = false;
    if (task->status != STATUS_OK)
        log_event(LOG_WARN, "subjects_not_swept", LOG_STR("detail", task->err.detail));
    else if (lockout->more)
        submit_sweep(lockout);
}

static void on_timer(uv_timer_t *timer) { submit_sweep(timer->data); }

static void start_timer(struct service *service, struct lockout *lockout) {
    lockout->sweep = (struct lockout_task){.service = service, .work = sweep, .back = swept};
    lockout->timer.data = lockout;
    uv_timer_init(loop_uv(service->loop), &lockout->timer);
    /* At once too: a process may end before the first minute has, and so may the next. */
    uv_timer_start(&lockout->timer, on_timer, 0, SWEEP_MS);
}

/* ---- beginning and end ---- */

enum status lockout_start(struct service *service, struct error *err) {
    const struct subjects_options *options = &service->options.lockout;
    if (!options->folder)
        return STATUS_OK;
    struct lockout *lockout = calloc(1, sizeof *lockout);
    if (!lockout)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    service->lockout = lockout;
    start_timer(service, lockout);
    lockout->queue = queue_create(LOCKOUT_TASKS_MAX);
    enum status status = lockout->queue ? subjects_open(options, &lockout->subjects, err)
                                        : error_set(err, STATUS_INTERNAL, "out of memory");
    return status == STATUS_OK ? start_thread(lockout, err) : status;
}

bool lockout_end_by(struct lockout *lockout, uint64_t until_us) {
    if (!lockout || !lockout->running)
        return true;
    queue_close(lockout->queue);
    return thread_ended_by(&lockout->ended, 1, until_us);
}

void lockout_stop(struct lockout *lockout) {
    if (!lockout || !lockout->running)
        return;
    queue_close(lockout->queue);
    pthread_join(lockout->thread, NULL);
    lockout->running = false;
}

static void closed(uv_handle_t *timer) { free(timer->data); }

void lockout_destroy(struct lockout *lockout) {
    if (!lockout)
        return;
    assert(!lockout->running && lockout->tries == 0);
    queue_destroy(lockout->queue);
    subjects_close(lockout->subjects);
    uv_close((uv_handle_t *)&lockout->timer, closed);
}
