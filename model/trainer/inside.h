/* For model/trainer only: what its threads share. */
#ifndef FACEPAIR_MODEL_TRAINER_INSIDE_H
#define FACEPAIR_MODEL_TRAINER_INSIDE_H

#include "model/json.h"
#include "model/store/events.h"
#include "model/trainer/watch.h"

struct trainer {
    const struct trainer_options *options;
    struct watch *watch;
    struct store *store; /* the jobs thread's */
    unsigned jobs;       /* that have ended */
};

/* Runs the job that has been claimed and ends the claim, whatever becomes of it. */
void trainer_run_job(struct trainer *trainer, const struct store_claim *claim,
                     const struct store_job *job);

/* The checks thread: until the process ends. trainer_check_data is one round. */
void *trainer_check(void *trainer);

/* A line {"event": type, "job": id, …} on options->events: what is in `line`, which is taken. Any
 * thread. */
struct json_writer *told_open(const char *type, const char *member, const char *id);
void told_close(const struct trainer *trainer, struct json_writer *line);
void told_state(const struct trainer *trainer, const char *id, enum job_state state,
                unsigned attempt);

#endif
