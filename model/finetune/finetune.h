/* One fine-tuning job: photographs of people -> a new version of a model, and what it is worth.
 *
 * Four kinds of people, and nobody is of two of them:
 *
 *   training     steps are taken on them
 *   validation   the epoch with the smallest loss on them is the one that is kept
 *   calibration  thresholds and likelihood ratios come from them, for both versions that are
 *                compared and for the new version's card
 *   evaluation   the two versions are compared on them
 *
 * Sampled, a person's place is a hash of the seed and the name (model/finetune/split.h), so that
 * more people later move nobody: of 100 people 56 are for training, 7 for validation, 7 for
 * calibration, 30 for evaluation. Where files name who is trained and validated on, a fifth of all
 * others is for calibration, the rest for evaluation.
 *
 * A run goes through the phases of the table below. Whatever it needs to go on after its process
 * has died is in its work directory: CHECKPOINT/, which is replaced as a whole at the end of each
 * epoch and when the run is paused. On a CPU a run that goes on from there gives bit by bit
 * what it would have given without the interruption.
 *
 * base_model and compare_to without a version mean the one in use when the run begins: whoever
 * keeps a job over restarts pins them (finetune_spec_pin). The spec's deadline_s is its keeper's to
 * mind too: STOP ends a run at any step.
 *
 * Waits for disks and computes for minutes: for the trainer process and the command line. The
 * network's runtime (network_runtime_open) is the caller's to open.
 */
#ifndef FACEPAIR_MODEL_FINETUNE_FINETUNE_H
#define FACEPAIR_MODEL_FINETUNE_FINETUNE_H

#include "model/finetune/spec.h"

struct finetune_place {
    const char *data;    /* the data directory: models/, face/ */
    const char *dataset; /* PERSON/PERSON_0001.jpg … */
    const char *lists;   /* where the spec's pairs and people files stand; NULL: in dataset */
    const char *work;    /* of this job alone; made when missing; checkpoint and cache */
    const char *resume;  /* the work directory of the job that resume_from names; NULL: none */
    unsigned threads;    /* that prepare photographs and compare; 0: one for each CPU granted */
};

/* What a run can be doing, in this order. */
#define FINETUNE_PHASES(X)                                                                         \
    X(PREPARING, "preparing")   /* photographs are read, the frozen part is computed */            \
    X(RUNNING, "running")       /* epochs */                                                       \
    X(EVALUATING, "evaluating") /* both versions on people never seen */                           \
    X(PUBLISHING, "publishing")
enum finetune_phase {
#define X(name, text) FINETUNE_##name,
    FINETUNE_PHASES(X)
#undef X
};
extern const char *const FINETUNE_PHASE_NAMES[];

struct finetune_progress {
    enum finetune_phase phase;
    uint32_t epoch, epochs; /* the one under way, from 1; 0 outside RUNNING */
    uint64_t step, steps;   /* of all epochs; outside RUNNING: photographs done and to do */
    double eta_s;           /* to the phase's end; negative: not known yet */
};

struct finetune_epoch {
    uint32_t epoch; /* that is done, from 1 */
    double train_loss, validation_loss, learning_rate;
    uint32_t best_epoch;
    double best_validation_loss;
};

struct finetune_checkpoint {
    const char *path; /* the directory, replaced by the next one; borrowed */
    uint32_t epoch;   /* whole ones behind it */
    uint64_t step;    /* behind it, of all epochs */
    uint64_t bytes;
    double validation_loss; /* of the last whole epoch; NaN: none yet */
};

enum finetune_wish { FINETUNE_GO_ON, FINETUNE_PAUSE, FINETUNE_STOP };

/* Told on the thread that calls finetune_run, but for wish; any may be NULL. What is borrowed is
 * good for the call. A run that goes on from a checkpoint tells its earlier epochs again, so that a
 * listener has all of them. */
struct finetune_hooks {
    void *context;
    void (*on_progress)(void *context, const struct finetune_progress *progress);
    void (*on_epoch)(void *context, const struct finetune_epoch *epoch);
    void (*on_checkpoint)(void *context, const struct finetune_checkpoint *checkpoint);
    void (*on_log)(void *context, const char *text); /* one line for a person */
    /* Asked in every phase after each piece of a few seconds at most (model/go_on.h): on any thread
     * that computes, never on two at once. STOP ends the run at once; its work directory stays.
     * PAUSE in any phase but RUNNING ends it too: there is nothing to lose. */
    enum finetune_wish (*wish)(void *context);
    /* Before two versions are compared on the people with this digest (people_digest): how many
     * candidates have been tried on them, with this one, ≥ 1. NULL: this one alone. */
    uint32_t (*candidates)(void *context, const char *evaluation_sha256);
};

enum finetune_outcome { FINETUNE_FINISHED, FINETUNE_PAUSED, FINETUNE_STOPPED };

struct finetune_result {
    enum finetune_outcome outcome;
    /* FINISHED: the version that was published, … */
    char model[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1];
    char *evaluation;       /* … its evaluation.json, owned, … */
    size_t evaluation_size; /* … */
    /* … and whether it is better than compare_to, as model/finetune/comparison.h defines it. */
    bool better;
};

/* STATUS_OK whatever the outcome; on STATUS_OK the caller releases the result. Else the cause:
 *
 *   STATUS_INVALID_FIELD      the data set cannot be learned from (one person only, no pairs, …),
 *                             or an option does not go with the base model
 *   STATUS_NOT_TRAINABLE      the base model is a program (torchscript)
 *   STATUS_UNKNOWN_MODEL      base_model or compare_to is not there
 *   STATUS_STORAGE_FULL       disk_bytes_max is not enough, or the disk is full
 *   STATUS_INTERNAL           anything else; err names the file */
enum status finetune_run(const struct finetune_place *place, const struct finetune_spec *spec,
                         const struct finetune_hooks *hooks, struct finetune_result *result,
                         struct error *err);
void finetune_result_release(struct finetune_result *result);

#endif
