/* What becomes of what its runner has left. */
#include "model/store/inside.h"

#include <stdlib.h>

enum { BATCH = 32 };

static enum status spend_attempt(struct store *store, struct job_row *row, struct error *err) {
    struct query query =
        query_open(store, "UPDATE jobs SET attempt = attempt + 1 WHERE sequence = ?");
    query_bind_integer(&query, row->sequence);
    row->attempt++;
    return query_run(&query, NULL, err);
}

static enum status settle_job(struct store *store, struct job_row *row,
                              struct store_settled *settled, struct error *err) {
    enum status status = job_release_claim(store, row, err);
    if (status != STATUS_OK)
        return status;
    if (row->state == JOB_CANCELLING) {
        settled->cancelled++;
        return job_move(store, row, JOB_CANCELLED, err);
    }
    if (row->attempt >= STORE_ATTEMPTS_MAX) {
        settled->failed++;
        status = job_set_error(store, row, "attempts_exhausted",
                               "Every attempt lost its process before it ended.", err);
        return status == STATUS_OK ? job_move(store, row, JOB_FAILED, err) : status;
    }
    settled->queued++;
    status = spend_attempt(store, row, err);
    return status == STATUS_OK ? job_move(store, row, JOB_QUEUED, err) : status;
}

static enum status find_left(struct store *store, const char *runner, struct job_row rows[BATCH],
                             size_t *count, struct error *err) {
    struct query query =
        query_open(store, "SELECT sequence, state, attempt FROM jobs"
                          " WHERE state IN ('running', 'evaluating', 'cancelling')"
                          " AND (lease_ms <= ? OR runner = ?) ORDER BY sequence LIMIT ?");
    query_bind_integer(&query, (int64_t)store->now_ms());
    query_bind_text(&query, runner ? runner : "");
    query_bind_integer(&query, BATCH);
    for (*count = 0; *count < BATCH && query_row(&query); ++*count) {
        char word[16];
        rows[*count].sequence = query_integer(&query);
        query_text(&query, word, sizeof word);
        (void)job_state_parse(word, &rows[*count].state);
        rows[*count].attempt = (unsigned)query_integer(&query);
    }
    return query_close(&query, err);
}

static enum status settle_jobs(struct store *store, const char *runner,
                               struct store_settled *settled, struct error *err) {
    struct job_row rows[BATCH];
    size_t count = BATCH;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && count == BATCH) {
        status = find_left(store, runner, rows, &count, err);
        for (size_t i = 0; status == STATUS_OK && i < count; i++)
            status = settle_job(store, &rows[i], settled, err);
    }
    return status;
}

/* ---- data sets ---- */

/* Who let go of one counts an attempt too: what ends the checker three times is rejected. */
static enum status settle_datasets(struct store *store, const char *runner, size_t *count,
                                   struct error *err) {
    struct query query = query_open(
        store,
        "UPDATE datasets SET runner = '', lease_ms = 0, attempt = attempt + (attempt < ?1),"
        " checked_ms = iif(attempt < ?1, checked_ms, ?2),"
        " state = iif(attempt < ?1, state, 'rejected'),"
        " error_code = iif(attempt < ?1, '', 'attempts_exhausted'),"
        " error_message = iif(attempt < ?1, '', 'Every check lost its process before it ended.')"
        " WHERE state = 'validating' AND runner <> '' AND (lease_ms <= ?2 OR runner = ?3)");
    int changed = 0;
    query_bind_integer(&query, STORE_ATTEMPTS_MAX);
    query_bind_integer(&query, (int64_t)store->now_ms());
    query_bind_text(&query, runner ? runner : "");
    enum status status = query_run(&query, &changed, err);
    *count += (size_t)changed;
    return status;
}

enum status settle_leases(struct store *store, const char *runner, struct store_settled *settled,
                          struct error *err) {
    *settled = (struct store_settled){0};
    enum status status = settle_jobs(store, runner, settled, err);
    return status == STATUS_OK ? settle_datasets(store, runner, &settled->datasets, err) : status;
}

enum status store_settle(struct store *store, const char *runner, struct store_settled *settled,
                         struct error *err) {
    enum status status = store_begin(store, err);
    return status == STATUS_OK ? store_end(store, settle_leases(store, runner, settled, err), err)
                               : status;
}
