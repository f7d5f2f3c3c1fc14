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

enum status loop_create(struct loop **loop, struct error *err);
void loop_run(struct loop *loop);  /* until loop_stop; the calling thread becomes the loop thread */
void loop_stop(struct loop *loop); /* on the loop thread */
void loop_destroy(struct loop *loop);

void loop_post(struct loop *loop, struct loop_message *message); /* any thread */
uv_loop_t *loop_uv(struct loop *loop);
uint64_t
loop_lag_us(const struct loop *loop); /* how late the last beat of its 100 ms heart timer came */

#endif
