/* The process that decodes data sets and runs jobs, apart from the one that serves: whatever it
 * does to its memory, its CPUs or itself ends with it.
 *
 * Three threads, each with a handle of the store of its own:
 *
 *   jobs     the caller's: claims a job, runs it (finetune.h, or measure/job.h), finishes it, one
 *            after the other
 *   checks   claims data sets that are validating and decodes them, so that they need not wait for
 *            a job of hours
 *   watch    signals; renews the job's lease as long as the jobs thread shows signs of life; asks
 *            the store what is wished; ends the process where the jobs thread does not leave in
 *            time (watch.h). The only one that does not step back behind the other processes
 *
 * The store is the truth. What happens is told as JSON lines on `events` too, for whoever has
 * started the process; lines that nobody takes are lost. The first says that it has begun: before
 * that a SIGUSR1 would end the process.
 */
#ifndef FACEPAIR_MODEL_TRAINER_TRAINER_H
#define FACEPAIR_MODEL_TRAINER_TRAINER_H

#include "model/image/image.h"
#include "server/background.h"
#include "server/status.h"

#include <stdint.h>

struct trainer_options {
    const char *data;
    const char *runner; /* what its claims say, another one for each process */
    struct background background;
    unsigned threads;           /* 0: one for each CPU granted */
    uint64_t lease_ms;          /* renewed after a third of it */
    uint64_t idle_ms;           /* between two looks for work */
    unsigned jobs_max;          /* after so many the process is to end, so that its memory goes with
                                 * it; 0: never */
    int events;                 /* a descriptor; -1: none */
    struct image_limits limits; /* of the photographs of data sets */
};

struct trainer;

/* On the first thread, before there are others. The process steps back behind the others (but for
 * the watch, which begins here), so threads that are started after it do. Signals are blocked in
 * all threads from here on; SIGUSR1 only wakes it up. options: borrowed until the end.
 * STATUS_INTERNAL: the store cannot be opened, or the parent is gone. */
enum status trainer_begin(const struct trainer_options *options, struct trainer **trainer,
                          struct error *err);
/* network_runtime_open() has been called. Runs until SIGTERM or SIGINT, or until jobs_max jobs have
 * ended. STATUS_INTERNAL: no thread can be started. */
enum status trainer_run(struct trainer *trainer, struct error *err);
void trainer_end(struct trainer *trainer); /* NULL is allowed */

#endif
