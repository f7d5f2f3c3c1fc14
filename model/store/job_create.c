/* A new job, in one transaction: the earlier answer to its key, the bound of the queue, and what it
 * builds on are looked at under the same lock under which it is written. */
#include "model/store/inside.h"

#include <stdlib.h>
#include <string.h>

/* ---- the idempotency key ---- */

static enum status find_answer(struct store *store, const struct store_once *once, char **first,
                               struct error *err) {
    struct query query =
        query_open(store, "SELECT body_sha256, answer FROM answers"
                          " WHERE caller = ? AND route = ? AND key = ? AND created_ms > ?");
    uint64_t now_ms = store->now_ms();
    query_bind_text(&query, once->caller);
    query_bind_text(&query, once->route);
    query_bind_text(&query, once->key);
    query_bind_integer(&query, now_ms > STORE_ONCE_MS ? (int64_t)(now_ms - STORE_ONCE_MS) : 0);
    bool found = query_row(&query), same = false;
    if (found) {
        char body[DIGEST_TEXT_SIZE];
        query_text(&query, body, sizeof body);
        same = strcmp(body, once->body_sha256) == 0;
        *first = same ? query_text_copy(&query) : NULL;
    }
    enum status status = query_close(&query, err);
    if (status == STATUS_OK && found && !same)
        return error_set(err, STATUS_IDEMPOTENCY_KEY_REUSED,
                         "This Idempotency-Key came with another body before; use a new one.");
    return status;
}

static enum status keep_answer(struct store *store, const struct store_once *once,
                               struct error *err) {
    struct query query = query_open(store, "INSERT OR REPLACE INTO answers"
                                           " (caller, route, key, body_sha256, answer, created_ms)"
                                           " VALUES (?, ?, ?, ?, ?, ?)");
    query_bind_text(&query, once->caller);
    query_bind_text(&query, once->route);
    query_bind_text(&query, once->key);
    query_bind_text(&query, once->body_sha256);
    query_bind_text(&query, once->answer);
    query_bind_integer(&query, (int64_t)store->now_ms());
    return query_run(&query, NULL, err);
}

/* ---- what it builds on ---- */

static enum status check_room(struct store *store, size_t queued_max, struct error *err) {
    struct query query = query_open(store, "SELECT count(*) FROM jobs WHERE state = 'queued'");
    int64_t queued = query_row(&query) ? query_integer(&query) : 0;
    enum status status = query_close(&query, err);
    if (status == STATUS_OK && (uint64_t)queued >= queued_max)
        return error_set(err, STATUS_OVERLOADED,
                         "%lld jobs wait already; let some of them end, or cancel them.",
                         (long long)queued);
    return status;
}

static enum status check_dataset(struct store *store, const char *name,
                                 char sha256[DIGEST_TEXT_SIZE], struct error *err) {
    struct query query = query_open(store, "SELECT sha256, state FROM datasets WHERE name = ?");
    char state[16] = "";
    query_bind_text(&query, name);
    if (query_row(&query)) {
        query_text(&query, sha256, DIGEST_TEXT_SIZE);
        query_text(&query, state, sizeof state);
    }
    enum status status = query_close(&query, err);
    if (status != STATUS_OK || strcmp(state, "ready") == 0)
        return status;
    if (!state[0] || strcmp(state, "deleting") == 0)
        return error_set(err, STATUS_NOT_FOUND, "There is no data set of this name.");
    return error_set(err, STATUS_WRONG_STATE, "The data set is %s; it must be ready.", state);
}

static enum status check_resume(struct store *store, const char *id, struct error *err) {
    struct job_row row;
    enum status status = job_find(store, id, &row, err);
    if (status == STATUS_OK && !job_state_is_final(row.state))
        return error_set(err, STATUS_WRONG_STATE,
                         "The job to resume from is %s; only one that has ended can be continued "
                         "by a new one.",
                         job_state_word(row.state));
    return status;
}

/* ---- the row ---- */

static enum status insert(struct store *store, const struct store_new_job *job,
                          const char *dataset_sha256, struct error *err) {
    struct query query = query_open(
        store, "INSERT INTO jobs (id, kind, state, created_ms, base_model, base_version, dataset,"
               " dataset_sha256, resume_from, spec, promotion)"
               " VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?)");
    query_bind_text(&query, job->id);
    query_bind_text(&query, job_kind_word(job->kind));
    query_bind_integer(&query, (int64_t)job->created_ms);
    query_bind_text(&query, job->base_model);
    query_bind_text(&query, job->base_version);
    query_bind_text(&query, job->dataset ? job->dataset : "");
    query_bind_text(&query, dataset_sha256);
    query_bind_text(&query, job->resume_from ? job->resume_from : "");
    query_bind_text(&query, job->spec);
    query_bind_text(&query, promotion_state_word(job->promote ? PROMOTION_WISHED : PROMOTION_NONE));
    return query_run(&query, NULL, err);
}

static enum status tell_queued(struct store *store, const char *id, struct error *err) {
    struct job_row row;
    enum status status = job_find(store, id, &row, err);
    return status == STATUS_OK ? job_tell(store, &row, err) : status;
}

static enum status create(struct store *store, const struct store_new_job *job,
                          const struct store_once *once, char **first, struct error *err) {
    char dataset_sha256[DIGEST_TEXT_SIZE] = "";
    enum status status = once ? find_answer(store, once, first, err) : STATUS_OK;
    if (status != STATUS_OK || *first)
        return status;
    status = check_room(store, job->queued_max, err);
    if (status == STATUS_OK && job->dataset)
        status = check_dataset(store, job->dataset, dataset_sha256, err);
    if (status == STATUS_OK && job->resume_from)
        status = check_resume(store, job->resume_from, err);
    if (status == STATUS_OK)
        status = insert(store, job, dataset_sha256, err);
    if (status == STATUS_OK)
        status = tell_queued(store, job->id, err);
    if (status == STATUS_OK && once)
        status = keep_answer(store, once, err);
    return status;
}

enum status store_job_answered(struct store *store, const struct store_once *once, char **first,
                               struct error *err) {
    *first = NULL;
    return find_answer(store, once, first, err);
}

enum status store_job_create(struct store *store, const struct store_new_job *job,
                             const struct store_once *once, char **first, struct error *err) {
    *first = NULL;
    enum status status = store_begin(store, err);
    if (status == STATUS_OK)
        status = store_end(store, create(store, job, once, first, err), err);
    if (status != STATUS_OK) {
        free(*first);
        *first = NULL;
    }
    return status;
}
