/* The libuv loop of the process: one thread runs it, and everything that knows a request lives on
 * it. It makes no call that can wait.
 *
 * loop_post() is the only door from other threads: it queues a message (intrusive, nothing is
 * allocated) and wakes the loop (uv_async); messages run on the loop in the order they were posted.
 * Its list is bounded by what exists: each message is embedded in a piece of work that another
 * bounded queue has admitted.
 */
#ifndef FACEPAIR_SERVER_LOOP_H
#define FACEPAIR_SERVER_LOOP_H

#include "server/status.h"

#include <stdint.h>
#include <uv.h>

struct loop;
struct loop_message {
    struct loop_message *next;                 /* the loop's own */
    void (*run)(struct loop_message *message); /* on the loop thread; may free the message */
};

/* STATUS_INTERNAL with the system's cause when it cannot be created (no descriptors left). */
enum status loop_create(struct loop **loop, struct error *err);
/* Runs until loop_stop; the calling thread becomes the loop thread. May be called again. */
void loop_run(struct loop *loop);
/* On the loop thread. The messages that were detached together with the one that calls it still
 * run; later ones wait for the next loop_run or for loop_destroy. */
void loop_stop(struct loop *loop);
/* On the thread that ran it, while it does not run: the messages that are there run now. For an end
 * in which what they belong to goes before the loop does. */
void loop_flush(struct loop *loop);
/* On the thread that ran it, when no other thread posts any more (join them first). Messages that
 * nobody has run yet run now, so that no work is lost with its request. Every handle that others
 * opened on loop_uv() must be closed, or closing: one that is open is printed to stderr and
 * asserts. NULL is allowed. */
void loop_destroy(struct loop *loop);

/* Any thread. The message belongs to the loop until it runs, exactly once. */
void loop_post(struct loop *loop, struct loop_message *message);
uv_loop_t *loop_uv(struct loop *loop); /* borrowed; for handles, on the loop thread only */
/* How late the last beat of its 100 ms heart timer came; any thread. */
uint64_t loop_lag_us(const struct loop *loop);

#endif
