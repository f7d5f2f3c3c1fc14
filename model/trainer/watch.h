/* The watch over the jobs thread of a trainer: a thread of its own that takes the process's
 * signals, and five times a second
 *
 *   asks the store whether the job is to be paused or cancelled;
 *   renews its lease when a third of it is over, unless the jobs thread has given no sign of life
 *   for so long that it must hang: then the lease is left to end, and the job to somebody else;
 *   ends the process where the jobs thread has not left within WATCH_LEAVE_MS what it was asked to
 *   leave. Nothing is lost by that: what a job needs to go on is on disk at every moment.
 *
 * It keeps the priority that the process began with, since a late renewal loses the job.
 */
#ifndef FACEPAIR_MODEL_TRAINER_WATCH_H
#define FACEPAIR_MODEL_TRAINER_WATCH_H

#include "model/store/runner.h"
#include "model/trainer/trainer.h"

enum { WATCH_LEAVE_MS = 1500, WATCH_STALL_MS = 300000 };

enum watch_wish {
    WATCH_GO_ON,
    WATCH_PAUSE,
    WATCH_CANCEL,
    WATCH_LOST, /* the lease: somebody else may have the job */
    WATCH_END   /* the process is to end */
};

struct watch;

/* On the first thread, before there are others. options: borrowed until the stop. */
enum status watch_start(const struct trainer_options *options, struct watch **watch,
                        struct error *err);
void watch_stop(struct watch *watch); /* NULL is allowed */

/* Jobs thread: from here on it holds the claim; until here. */
void watch_hold(struct watch *watch, const struct store_claim *claim);
void watch_let_go(struct watch *watch);
/* A thread that computes for the jobs thread, often (model/go_on.h): a sign of life. */
enum watch_wish watch_wish(struct watch *watch);

/* Any thread: the process is to end; or is told to from within. */
bool watch_is_ending(struct watch *watch);
void watch_end(struct watch *watch);
/* Any thread: returns after so long, after a SIGUSR1 that came since its last return (*seen, 0 at
 * first), or when the process is to end. */
void watch_wait(struct watch *watch, uint64_t ms, unsigned *seen);

#endif
