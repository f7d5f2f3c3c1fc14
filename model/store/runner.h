/* Jobs as the process that runs them sees them.
 *
 * A claim is a lease with a fencing number: whoever holds it must renew it before it ends, and each
 * write below is conditional on it (job, attempt, number, not ended) in its own transaction.
 * STATUS_WRONG_STATE from any of them means that the claim is lost: somebody else may have the job
 * already, nothing was written, and the runner stops at once. The calls take the claim only by
 * value, so a second thread may renew it through a handle of its own.
 */
#ifndef FACEPAIR_MODEL_STORE_RUNNER_H
#define FACEPAIR_MODEL_STORE_RUNNER_H

#include "model/store/jobs.h"

enum { STORE_RUNNER_SIZE = 64 };

struct store_claim {
    char id[UID_SIZE]; /* of a job, or of a data set (datasets.h) */
    unsigned attempt;
    uint64_t number; /* never given twice */
};

enum store_wish { STORE_GO_ON, STORE_PAUSE, STORE_CANCEL };

/* Settles leases that have ended (below), then takes the job that has waited longest, of
 * whatever kind:
 * queued -> running. `runner` names the process, at most STORE_RUNNER_SIZE − 1 bytes. *claimed:
 * there was one; then *job is the caller's to release. */
enum status store_claim_job(struct store *store, const char *runner, uint64_t lease_ms,
                            struct store_claim *claim, struct store_job *job, bool *claimed,
                            struct error *err);
enum status store_claim_renew(struct store *store, const struct store_claim *claim,
                              uint64_t lease_ms, struct error *err);
/* What the runner is asked to do; reads only. */
enum status store_claim_wish(struct store *store, const struct store_claim *claim,
                             enum store_wish *wish, struct error *err);

/* ---- telling; each is an event too ---- */

enum status store_claim_progress(struct store *store, const struct store_claim *claim,
                                 unsigned epoch, unsigned step, unsigned steps, double eta_s,
                                 struct error *err);
/* At the end of an epoch (from 1). An epoch that is told again replaces what was told; with the
 * same numbers it is no event. */
enum status store_claim_metrics(struct store *store, const struct store_claim *claim,
                                unsigned epoch, double train_loss, double validation_loss,
                                unsigned best_epoch, double best_validation_loss,
                                struct error *err);
enum status store_claim_checkpoint(struct store *store, const struct store_claim *claim,
                                   const struct store_checkpoint *checkpoint, struct error *err);
enum status store_claim_log(struct store *store, const struct store_claim *claim, const char *text,
                            struct error *err);

/* ---- moving on ---- */

/* running -> evaluating; of a job that is cancelling or evaluating already: nothing. */
enum status store_claim_evaluating(struct store *store, const struct store_claim *claim,
                                   struct error *err);

struct store_outcome {
    enum job_state state;                   /* succeeded, failed, cancelled or paused */
    const char *model, *version;            /* of succeeded; NULL otherwise */
    const char *evaluation;                 /* JSON; NULL: none */
    bool better;                            /* as measured; of no consequence without the wish */
    const char *error_code, *error_message; /* of failed */
};
/* Ends the claim. A job that is cancelling cannot be paused any more: it becomes cancelled. */
enum status store_claim_finish(struct store *store, const struct store_claim *claim,
                               const struct store_outcome *outcome, struct error *err);
/* Ends the claim without an outcome, for a runner that must stop: the job waits again and no
 * attempt is spent; one that is cancelling is cancelled. */
enum status store_claim_give_back(struct store *store, const struct store_claim *claim,
                                  struct error *err);

/* ---- what runners leave ---- */

struct store_settled {
    size_t queued, failed, cancelled; /* jobs */
    size_t datasets;                  /* to be checked again, or rejected */
};
/* Claims whose lease has ended: the job is queued with attempt + 1, or failed
 * (`attempts_exhausted`), or cancelled where it was cancelling. A claim is ended likewise by
 * `runner`, of which the caller knows that its process is gone (NULL: nobody). */
enum status store_settle(struct store *store, const char *runner, struct store_settled *settled,
                         struct error *err);
/* The job that `runner` holds a claim of, or else the data set that it checks (then *state is
 * running); id is "" when it holds none. */
enum status store_held(struct store *store, const char *runner, char id[UID_SIZE],
                       enum job_state *state, struct error *err);

#endif
