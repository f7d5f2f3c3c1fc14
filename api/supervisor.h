/* The trainer beside the service: a child process (`facepair trainer`) that is started, listened to
 * and started again when it ends, sooner or later depending on how.
 *
 * It ends after each job, so that the job's memory goes with it, and is started at once. One that
 * fails is started after a second, two, four, … up to a minute; a job that was ended or a minute of
 * life starts the count anew. Whatever it held is settled in the store as soon as its process is
 * gone. It is killed where it keeps a job longer than SUPERVISOR_CANCEL_MS after that is
 * cancelling, and where it hangs: it has lost its lease, or keeps the store's lock (a process that
 * was stopped at the wrong moment).
 *
 * Loop thread; what waits for the store goes to the disk thread.
 */
#ifndef FACEPAIR_API_SUPERVISOR_H
#define FACEPAIR_API_SUPERVISOR_H

#include "api/service.h"
#include "server/background.h"

enum { SUPERVISOR_CANCEL_MS = 1200, SUPERVISOR_DRAIN_MS = 2000, SUPERVISOR_TRUSTED_MAX = 32 };

struct supervisor_options {
    unsigned threads;      /* 0: one for each CPU granted */
    uint64_t memory_bytes; /* 0: half the memory granted */
    uint64_t lease_ms;
    const char *const
        *trusted; /* --allow-torchscript; NULL at the end, behind SUPERVISOR_TRUSTED_MAX at most */
    struct background_place place; /* this process's: its child is to go before it */
};

struct supervisor;

/* The service keeps a store. options: copied; what they point to must outlive it. A child that
 * cannot be started is tried again as one that has failed. */
enum status supervisor_start(struct service *service, const struct supervisor_options *options,
                             struct supervisor **supervisor, struct error *err);

/* There is something to do, or to leave: the trainer looks at once instead of within a second.
 * NULL: there is no trainer here. */
void supervisor_wake(struct supervisor *supervisor);

/* SIGTERM, and SIGKILL after SUPERVISOR_DRAIN_MS; none is started any more. done: on the loop, once
 * the child is gone (perhaps before this returns). */
void supervisor_drain(struct supervisor *supervisor, void (*done)(void *context), void *context);

/* When the loop no longer runs, and before the disk thread ends: a child that is still there is
 * killed. NULL is allowed. */
void supervisor_stop(struct supervisor *supervisor);

#endif
