/* What became active and why; the wishes of jobs. */
#ifndef FACEPAIR_MODEL_STORE_PROMOTIONS_H
#define FACEPAIR_MODEL_STORE_PROMOTIONS_H

#include "model/store/jobs.h"

struct store_promotion {
    uint64_t number, at_ms;
    char model[STORE_NAME_SIZE], from[STORE_VERSION_SIZE], to[STORE_VERSION_SIZE];
    char job[UID_SIZE]; /* "": an operator asked for it */
};

/* number and at_ms are the store's. */
enum status store_promotion_note(struct store *store, const struct store_promotion *promotion,
                                 struct error *err);
/* Newest first, of one model (NULL: of all), those numbered below `before` (0: from the newest). */
enum status store_promotion_list(struct store *store, const char *model, uint64_t before,
                                 size_t limit, struct store_promotion **promotions, size_t *count,
                                 bool *has_more, struct error *err);

/* The job that succeeded longest ago and whose wish nobody has decided. *found; *job is then the
 * caller's to release. */
enum status store_wish_next(struct store *store, struct store_job *job, bool *found,
                            struct error *err);
/* With an event. PROMOTION_CARRIED or PROMOTION_REFUSED, and why, at most STORE_MESSAGE_SIZE − 1
 * bytes. STATUS_WRONG_STATE: it is decided, or was not wished. */
enum status store_wish_settle(struct store *store, const char *id, enum promotion_state outcome,
                              const char *reason, struct error *err);

#endif
