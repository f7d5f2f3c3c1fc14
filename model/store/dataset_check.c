/* Who checks a data set, and until when: leases as those of jobs (claim.c). */
#include "model/store/datasets.h"
#include "model/store/inside.h"

#include <assert.h>

#define HELD " WHERE id = ? AND attempt = ? AND claim = ? AND lease_ms > ? AND state = 'validating'"

static void bind_held(struct query *query, const struct store_claim *claim) {
    query_bind_text(query, claim->id);
    query_bind_integer(query, claim->attempt);
    query_bind_integer(query, (int64_t)claim->number);
    query_bind_integer(query, (int64_t)query->store->now_ms());
}

static enum status run_held(struct query *query, struct error *err) {
    int changed;
    enum status status = query_run(query, &changed, err);
    if (status == STATUS_OK && changed == 0)
        return error_set(err, STATUS_WRONG_STATE, "The lease of this check has ended.");
    return status;
}

static enum status take(struct store *store, const char *runner, uint64_t lease_ms,
                        struct store_claim *claim, char name[STORE_NAME_SIZE], bool *claimed,
                        struct error *err) {
    struct query query = query_open(
        store, "UPDATE datasets SET claim = claim + 1, runner = ?, lease_ms = ?"
               " WHERE sequence = (SELECT sequence FROM datasets WHERE state = 'validating'"
               " AND runner = '' ORDER BY sequence LIMIT 1) RETURNING id, attempt, claim, name");
    query_bind_text(&query, runner);
    query_bind_integer(&query, (int64_t)(store->now_ms() + lease_ms));
    *claimed = query_row(&query);
    if (*claimed) {
        query_text(&query, claim->id, UID_SIZE);
        claim->attempt = (unsigned)query_integer(&query);
        claim->number = (uint64_t)query_integer(&query);
        query_text(&query, name, STORE_NAME_SIZE);
    }
    return query_run(&query, NULL, err);
}

enum status store_dataset_claim(struct store *store, const char *runner, uint64_t lease_ms,
                                struct store_claim *claim, struct store_dataset *dataset,
                                bool *claimed, struct error *err) {
    struct store_settled settled;
    char name[STORE_NAME_SIZE];
    *claimed = false;
    enum status status = store_begin(store, err);
    if (status != STATUS_OK)
        return status;
    status = settle_leases(store, NULL, &settled, err);
    if (status == STATUS_OK)
        status = take(store, runner, lease_ms, claim, name, claimed, err);
    if (status == STATUS_OK && *claimed)
        status = store_dataset_get(store, name, dataset, err);
    status = store_end(store, status, err);
    *claimed &= status == STATUS_OK;
    return status;
}

enum status store_dataset_renew(struct store *store, const struct store_claim *claim,
                                uint64_t lease_ms, struct error *err) {
    struct query query = query_open(store, "UPDATE datasets SET lease_ms = ?" HELD);
    query_bind_integer(&query, (int64_t)(store->now_ms() + lease_ms));
    bind_held(&query, claim);
    return run_held(&query, err);
}

enum status store_dataset_give_back(struct store *store, const struct store_claim *claim,
                                    struct error *err) {
    struct query query = query_open(store, "UPDATE datasets SET runner = '', lease_ms = 0" HELD);
    bind_held(&query, claim);
    return run_held(&query, err);
}

enum status store_dataset_checked(struct store *store, const struct store_claim *claim,
                                  const struct store_dataset *outcome, struct error *err) {
    assert(outcome->state == DATASET_READY || outcome->state == DATASET_REJECTED);
    struct query query = query_open(
        store,
        "UPDATE datasets SET state = ?, people = ?, images = ?, undecodable = ?,"
        " error_code = ?, error_message = ?, checked_ms = ?, runner = '', lease_ms = 0" HELD);
    query_bind_text(&query, dataset_state_word(outcome->state));
    query_bind_integer(&query, (int64_t)outcome->people);
    query_bind_integer(&query, (int64_t)outcome->images);
    query_bind_integer(&query, (int64_t)outcome->undecodable);
    query_bind_text(&query, outcome->error_code);
    query_bind_text(&query, outcome->error_message);
    query_bind_integer(&query, (int64_t)store->now_ms());
    bind_held(&query, claim);
    return run_held(&query, err);
}

/* ---- evaluation sets ---- */

static enum status count_candidates(struct store *store, const char *set, size_t *candidates,
                                    struct error *err) {
    struct query query =
        query_open(store, "SELECT count(*) FROM evaluation_uses WHERE evaluation = ?");
    query_bind_text(&query, set);
    *candidates = query_row(&query) ? (size_t)query_integer(&query) : 0;
    return query_close(&query, err);
}

static enum status note_use(struct store *store, const char *set, const char *candidate,
                            struct error *err) {
    struct query query = query_open(store, "INSERT OR IGNORE INTO evaluation_uses"
                                           " (evaluation, candidate, at_ms) VALUES (?, ?, ?)");
    query_bind_text(&query, set);
    query_bind_text(&query, candidate);
    query_bind_integer(&query, (int64_t)store->now_ms());
    return query_run(&query, NULL, err);
}

enum status store_evaluation_use(struct store *store, const char *set, const char *candidate,
                                 size_t *candidates, struct error *err) {
    enum status status = store_begin(store, err);
    if (status != STATUS_OK)
        return status;
    status = note_use(store, set, candidate, err);
    if (status == STATUS_OK)
        status = count_candidates(store, set, candidates, err);
    return store_end(store, status, err);
}
