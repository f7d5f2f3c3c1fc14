/* Jobs as whoever asks for them sees them. */
#ifndef FACEPAIR_MODEL_STORE_JOBS_H
#define FACEPAIR_MODEL_STORE_JOBS_H

#include "model/card.h"
#include "model/digest.h"
#include "model/store/job_state.h"
#include "model/store/store.h"
#include "model/uid.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum job_kind { JOB_FINE_TUNE, JOB_EVALUATION, JOB_CALIBRATION, JOB_KINDS_COUNT };
const char *job_kind_word(enum job_kind kind);   /* "fine_tune" */
const char *job_kind_prefix(enum job_kind kind); /* "ft_" */

enum {
    STORE_NAME_SIZE = CARD_NAME_MAX + 1,
    STORE_VERSION_SIZE = CARD_VERSION_MAX + 1,
    STORE_CODE_SIZE = 48,
    STORE_MESSAGE_SIZE = 256,
    STORE_ATTEMPTS_MAX = 3, /* a lease lost in the last one fails the job */
    STORE_EPOCHS_MAX = 10000,
    STORE_PAGE_MAX = 100
};

/* What becomes of "promote": "if_better". */
#define PROMOTION_STATES(X)                                                                        \
    X(NONE, "none")       /* it was not wished */                                                  \
    X(WISHED, "wished")   /* to be decided when the job has succeeded */                           \
    X(CARRIED, "carried") /* the version became the active one */                                  \
    X(REFUSED, "refused") /* not better, or not loadable: promotion_reason says it */
enum promotion_state {
#define X(name, word) PROMOTION_##name,
    PROMOTION_STATES(X)
#undef X
        PROMOTION_STATES_COUNT
};
const char *promotion_state_word(enum promotion_state state);

struct store_job {
    char id[UID_SIZE];
    enum job_kind kind;
    enum job_state state;
    uint64_t created_ms, started_ms, finished_ms;
    uint64_t computed_ms;                  /* under claims that have ended */
    unsigned attempt;                      /* from 1 */
    bool pause_wished;                     /* while it runs */
    char base_model[STORE_NAME_SIZE];      /* as it was asked for, and … */
    char base_version[STORE_VERSION_SIZE]; /* … its version when the job was created */
    char dataset[STORE_NAME_SIZE];         /* "": none */
    char dataset_sha256[DIGEST_TEXT_SIZE]; /* when the job was created */
    char resume_from[UID_SIZE];            /* "": nowhere */
    char *spec;                            /* canonical JSON */
    struct {
        unsigned epoch, step, steps; /* the step within the epoch; all 0 before the first */
        double eta_s;
    } progress;
    size_t epochs; /* ended: how many of both losses */
    double *train_loss, *validation_loss;
    struct {
        unsigned epoch; /* 0: none yet */
        double validation_loss;
    } best;
    struct {
        char model[STORE_NAME_SIZE], version[STORE_VERSION_SIZE]; /* "": none */
        char *evaluation;                                         /* JSON, or NULL */
        bool better;
    } result;
    struct {
        char code[STORE_CODE_SIZE]; /* "": none */
        char message[STORE_MESSAGE_SIZE];
    } error;
    enum promotion_state promotion;
    char promotion_reason[STORE_MESSAGE_SIZE];
};
void store_job_release(struct store_job *job); /* a zeroed one is allowed */

/* ---- creating ---- */

/* id (uid_make) and created_ms are the caller's, so that the answer can be written beforehand. */
struct store_new_job {
    const char *id;
    uint64_t created_ms;
    enum job_kind kind;
    const char *base_model, *base_version;
    const char *dataset;     /* NULL: none */
    const char *resume_from; /* NULL: none; the id of a final job */
    const char *spec;
    bool promote;      /* if better */
    size_t queued_max; /* of all kinds; more are STATUS_OVERLOADED */
};

/* An Idempotency-Key, kept for STORE_ONCE_MS per caller and route. */
#define STORE_ONCE_MS (24 * 3600 * UINT64_C(1000))
struct store_once {
    const char *caller, *route, *key;
    const char *body_sha256;
    const char *answer; /* what is being answered now */
};

/* once: NULL without a key. *first: NULL, or, where the key has been used with the same body, the
 * answer given then, and nothing is created.
 * STATUS_IDEMPOTENCY_KEY_REUSED: with another body. STATUS_NOT_FOUND: no such data set, or no such
 * job to resume from. STATUS_WRONG_STATE: that data set is not ready, or that job not final.
 * STATUS_OVERLOADED: the queue is full. */
enum status store_job_create(struct store *store, const struct store_new_job *job,
                             const struct store_once *once, char **first, struct error *err);

/* Before anything that such a job builds on is looked at: the answer that the key was given, as
 * above; *first is NULL where it is new. once->answer is not looked at. */
enum status store_job_answered(struct store *store, const struct store_once *once, char **first,
                               struct error *err);

/* ---- reading ---- */

/* STATUS_NOT_FOUND. */
enum status store_job_get(struct store *store, const char *id, struct store_job *job,
                          struct error *err);

struct store_job_filter {
    enum job_kind kind;
    const enum job_state *state; /* NULL: any */
    const char *dataset, *model; /* of the base, or of the result; NULL: any */
    const char *after;           /* the last id of the page before; NULL: the first page */
    size_t limit;                /* 1 … STORE_PAGE_MAX */
};
/* Newest first. *jobs from malloc, each to be released. */
enum status store_job_list(struct store *store, const struct store_job_filter *filter,
                           struct store_job **jobs, size_t *count, bool *has_more,
                           struct error *err);
void store_jobs_release(struct store_job *jobs, size_t count);

/* For facepair_jobs. */
enum status store_job_count(struct store *store, size_t counts[JOB_KINDS_COUNT][JOB_STATES_COUNT],
                            struct error *err);

struct store_checkpoint {
    unsigned epoch, step;
    char file[256]; /* its name in the job's directory */
    uint64_t bytes, created_ms;
    double validation_loss; /* NaN: not measured there */
};
enum { STORE_CHECKPOINTS_MAX = 256 }; /* the oldest rows give way */
/* Newest first. *checkpoints from malloc. STATUS_NOT_FOUND: no such job. */
enum status store_checkpoints(struct store *store, const char *id,
                              struct store_checkpoint **checkpoints, size_t *count,
                              struct error *err);

/* ---- asking ---- */

/* STATUS_NOT_FOUND, or STATUS_WRONG_STATE where the table has no such way; to ask for what is
 * already so is fine. A job that runs is `cancelling` when this returns, one that waits is
 * `cancelled`. */
enum status store_job_cancel(struct store *store, const char *id, struct error *err);
/* Of a job that runs: noted, and carried out by its runner. */
enum status store_job_pause(struct store *store, const char *id, struct error *err);
/* Of a paused job: queued again. Of one that is yet to pause: the wish is withdrawn. */
enum status store_job_resume(struct store *store, const char *id, struct error *err);

/* ---- removing ---- */

/* DATA/jobs/ID. */
enum status store_job_directory(const struct store *store, const char *id, char path[PATH_MAX],
                                struct error *err);
/* All that is known of it, then its directory. STATUS_NOT_FOUND; STATUS_WRONG_STATE unless it
 * is final; STATUS_IN_USE while a job that is not final resumes from it. */
enum status store_job_delete(struct store *store, const char *id, struct error *err);
/* Deletes jobs that have been final for longer than keep_ms, at most `most` of them; *deleted of
 * them are gone, also when it fails. Removes directories of jobs that are not known, and what is
 * older than STORE_ONCE_MS of the idempotency keys. */
enum status store_jobs_expire(struct store *store, uint64_t keep_ms, size_t most, size_t *deleted,
                              struct error *err);

#endif
