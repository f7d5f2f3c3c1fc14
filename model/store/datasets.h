/* Data sets: DATA/datasets/NAME and what is known of it.
 *
 *     validating -> ready | rejected       by who decodes the images, under a lease as jobs are
 *     ready | rejected -> deleting -> gone so that a crash between the two is seen
 *     ready | rejected -> validating       when a person was removed
 */
#ifndef FACEPAIR_MODEL_STORE_DATASETS_H
#define FACEPAIR_MODEL_STORE_DATASETS_H

#include "model/store/runner.h"

#define DATASET_STATES(X)                                                                          \
    X(VALIDATING, "validating")                                                                    \
    X(READY, "ready")                                                                              \
    X(REJECTED, "rejected")                                                                        \
    X(DELETING, "deleting")
enum dataset_state {
#define X(name, word) DATASET_##name,
    DATASET_STATES(X)
#undef X
        DATASET_STATES_COUNT
};
const char *dataset_state_word(enum dataset_state state);

enum { STORE_PURPOSE_SIZE = 257 };

struct store_dataset {
    char id[UID_SIZE]; /* "ds_…" */
    char name[STORE_NAME_SIZE];
    enum dataset_state state;
    char sha256[DIGEST_TEXT_SIZE]; /* of the content */
    char purpose[STORE_PURPOSE_SIZE];
    uint64_t created_ms, checked_ms, retain_until_ms; /* 0: no end */
    uint64_t bytes;
    size_t files; /* as uploaded */
    /* Once checked: */
    size_t people, images, undecodable;
    char error_code[STORE_CODE_SIZE], error_message[STORE_MESSAGE_SIZE]; /* of rejected */
};

/* name, id, sha256, purpose, retain_until_ms, bytes and files are taken; the rest is the store's.
 * *same: a data set of this name and content was there already, and nothing has changed. Otherwise
 * it is `validating` now. STATUS_DATASET_EXISTS: of another content. Called once the files stand
 * under the name: a checker may begin at once. */
enum status store_dataset_create(struct store *store, const struct store_dataset *dataset,
                                 bool *same, struct error *err);
/* STATUS_NOT_FOUND. */
enum status store_dataset_get(struct store *store, const char *name, struct store_dataset *dataset,
                              struct error *err);
/* By name, those behind `after` (NULL: from the first). *datasets from malloc. */
enum status store_dataset_list(struct store *store, const char *after, size_t limit,
                               struct store_dataset **datasets, size_t *count, bool *has_more,
                               struct error *err);
/* Its content has changed (a person was removed): validating again. STATUS_NOT_FOUND;
 * STATUS_WRONG_STATE unless ready or rejected; STATUS_IN_USE while a job that is not final uses
 * it. */
enum status store_dataset_change(struct store *store, const char *name, const char *sha256,
                                 uint64_t bytes, size_t files, struct error *err);

/* STATUS_OK, or STATUS_IN_USE while a job that is not final uses it. */
enum status store_dataset_free(struct store *store, const char *name, struct error *err);

/* Nobody may use it any more; its files may now be removed. STATUS_NOT_FOUND; STATUS_IN_USE while a
 * job that is not final uses it. Of one that is deleting already: STATUS_OK. A check that is under
 * way loses its claim. */
enum status store_dataset_begin_delete(struct store *store, const char *name, struct error *err);
/* Its files are gone. */
enum status store_dataset_end_delete(struct store *store, const char *name, struct error *err);
/* Data sets to be removed: deleting (their remover has died), or past retain_until_ms and used by
 * nobody. Names from malloc. */
enum status store_dataset_expired(struct store *store, char (**names)[STORE_NAME_SIZE],
                                  size_t *count, struct error *err);

/* ---- checking ---- */

/* As store_claim_job: the one that has been validating longest. claim->id is the data set's. */
enum status store_dataset_claim(struct store *store, const char *runner, uint64_t lease_ms,
                                struct store_claim *claim, struct store_dataset *dataset,
                                bool *claimed, struct error *err);
/* Renew, give back: */
enum status store_dataset_renew(struct store *store, const struct store_claim *claim,
                                uint64_t lease_ms, struct error *err);
enum status store_dataset_give_back(struct store *store, const struct store_claim *claim,
                                    struct error *err);
/* state (ready or rejected), people, images, undecodable and the error of `outcome`. */
enum status store_dataset_checked(struct store *store, const struct store_claim *claim,
                                  const struct store_dataset *outcome, struct error *err);

/* ---- evaluation sets ---- */

/* Notes that `candidate` (a job's id) is measured on the evaluation set of this name (say, a digest
 * of its pairs); *candidates: how many have been, this one included. To note it again changes
 * nothing. */
enum status store_evaluation_use(struct store *store, const char *set, const char *candidate,
                                 size_t *candidates, struct error *err);

#endif
