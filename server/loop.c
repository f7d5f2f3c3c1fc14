/* Messages: other threads append to a list under a mutex and wake the loop through one uv_async_t;
 * the loop detaches the whole list at once and runs it without the lock, so a poster never waits
 * for a message to run. Only the thread that finds the list empty wakes the loop: after a non-empty
 * list a wake-up is already on its way, and an eventfd write costs more than all the rest.
 *
 * A message that is posted while the list runs, by a message too, waits for the next wake-up, so
 * that sockets and timers get their turn between two lists.
 *
 * The heart beats every 100 ms, and a beat that comes late shows by how much something held the
 * loop. libuv keeps time in whole milliseconds, so a lag below two means nothing.
 */
#include "server/loop.h"
#include "server/clock.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    BEAT_MS = 100,
    CLOSE_TURNS_MAX = 16 /* of the loop; a signal handle of libuv may need a second one */
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t heart;
    uint64_t beat_us; /* when the last beat came */
    _Atomic uint64_t lag_us;
    pthread_mutex_t lock;
    struct loop_message *first, *last; /* last is meaningful only while first is not NULL */
};

static struct loop_message *detach_all(struct loop *loop) {
    pthread_mutex_lock(&loop->lock);
    struct loop_message *list = loop->first;
    loop->first = NULL;
    pthread_mutex_unlock(&loop->lock);
    return list;
}

static void run_list(struct loop_message *list) {
    while (list) {
        struct loop_message *message = list;
        list = message->next; /* the message may be freed by its own run */
        message->run(message);
    }
}

static void on_wake(uv_async_t *wake) {
    struct loop *loop = wake->data;
    run_list(detach_all(loop));
}

static void on_beat(uv_timer_t *heart) {
    struct loop *loop = heart->data;
    uint64_t now_us = clock_monotonic_us(), due_us = loop->beat_us + UINT64_C(1000) * BEAT_MS;
    atomic_store_explicit(&loop->lag_us, now_us > due_us ? now_us - due_us : 0,
                          memory_order_relaxed);
    loop->beat_us = now_us;
}

enum status loop_create(struct loop **out, struct error *err) {
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    int failure = uv_loop_init(&loop->uv);
    if (failure)
        goto fail_loop;
    failure = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (failure)
        goto fail_async;
    loop->wake.data = loop;
    uv_timer_init(&loop->uv, &loop->heart); /* this and the start of a timer cannot fail */
    loop->heart.data = loop;
    pthread_mutex_init(&loop->lock, NULL);
    *out = loop;
    return STATUS_OK;

fail_async:
    uv_loop_close(&loop->uv);
fail_loop:
    free(loop);
    return error_set(err, STATUS_INTERNAL, "The event loop cannot be created: %s.",
                     uv_strerror(failure));
}

void loop_run(struct loop *loop) {
    uv_update_time(&loop->uv);
    loop->beat_us = clock_monotonic_us();
    uv_timer_start(&loop->heart, on_beat, BEAT_MS, BEAT_MS);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_timer_stop(&loop->heart);
}

void loop_stop(struct loop *loop) { uv_stop(&loop->uv); }

void loop_flush(struct loop *loop) {
    struct loop_message *list;
    while ((list = detach_all(loop)))
        run_list(list);
}

void loop_destroy(struct loop *loop) {
    if (!loop)
        return;
    loop_flush(loop);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->heart, NULL);
    int busy = UV_EBUSY;
    for (int turn = 0; turn < CLOSE_TURNS_MAX && busy; turn++) {
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        busy = uv_loop_close(&loop->uv);
    }
    if (busy)
        uv_print_all_handles(&loop->uv, stderr);
    assert(!busy && "a handle of the loop is still open");
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

void loop_post(struct loop *loop, struct loop_message *message) {
    message->next = NULL;
    pthread_mutex_lock(&loop->lock);
    bool was_empty = !loop->first;
    if (was_empty)
        loop->first = message;
    else
        loop->last->next = message;
    loop->last = message;
    pthread_mutex_unlock(&loop->lock);
    if (was_empty)
        uv_async_send(&loop->wake);
}

uv_loop_t *loop_uv(struct loop *loop) { return &loop->uv; }

uint64_t loop_lag_us(const struct loop *loop) {
    return atomic_load_explicit(&loop->lag_us, memory_order_relaxed);
}
