/* Who runs a job, and until when. A claim is held by whoever knows its number, until the time that
 * stands in the row: nothing else is compared, so a runner that was stopped for a while finds out
 * by its next write, whoever has the job by then. */
#include "model/store/inside.h"

#include <assert.h>
#include <string.h>

static enum status lost(struct error *err) {
    return error_set(err, STATUS_WRONG_STATE, "The lease of this attempt has ended.");
}

enum status claim_find(struct store *store, const struct store_claim *claim, struct job_row *row,
                       struct error *err) {
    struct query query =
        query_open(store, "SELECT sequence, state, attempt FROM jobs"
                          " WHERE id = ? AND attempt = ? AND claim = ? AND lease_ms > ?"
                          " AND state IN ('running', 'evaluating', 'cancelling')");
    query_bind_text(&query, claim->id);
    query_bind_integer(&query, claim->attempt);
    query_bind_integer(&query, (int64_t)claim->number);
    query_bind_integer(&query, (int64_t)store->now_ms());
    *row = (struct job_row){0};
    bool found = query_row(&query);
    if (found) {
        char word[16];
        row->sequence = query_integer(&query);
        query_text(&query, word, sizeof word);
        (void)job_state_parse(word, &row->state);
        row->attempt = (unsigned)query_integer(&query);
    }
    enum status status = query_close(&query, err);
    return status == STATUS_OK && !found ? lost(err) : status;
}

/* ---- claiming ---- */

static enum status find_waiting(struct store *store, char id[UID_SIZE], struct error *err) {
    struct query query =
        query_open(store, "SELECT id FROM jobs WHERE state = 'queued' ORDER BY sequence LIMIT 1");
    id[0] = '\0';
    if (query_row(&query))
        query_text(&query, id, UID_SIZE);
    return query_close(&query, err);
}

static enum status take(struct store *store, const struct job_row *row, const char *runner,
                        uint64_t lease_ms, struct store_claim *claim, struct error *err) {
    struct query query =
        query_open(store, "UPDATE jobs SET claim = claim + 1, runner = ?1, lease_ms = ?2 + ?3,"
                          " claimed_ms = ?2 WHERE sequence = ?4 RETURNING claim");
    query_bind_text(&query, runner);
    query_bind_integer(&query, (int64_t)store->now_ms());
    query_bind_integer(&query, (int64_t)lease_ms);
    query_bind_integer(&query, row->sequence);
    claim->attempt = row->attempt;
    claim->number = query_row(&query) ? (uint64_t)query_integer(&query) : 0;
    return query_run(&query, NULL, err);
}

static enum status claim_job(struct store *store, const char *runner, uint64_t lease_ms,
                             struct store_claim *claim, struct store_job *job, bool *claimed,
                             struct error *err) {
    struct store_settled settled;
    struct job_row row;
    enum status status = settle_leases(store, NULL, &settled, err);
    if (status == STATUS_OK)
        status = find_waiting(store, claim->id, err);
    if (status != STATUS_OK || !claim->id[0])
        return status;
    status = job_find(store, claim->id, &row, err);
    if (status == STATUS_OK)
        status = take(store, &row, runner, lease_ms, claim, err);
    if (status == STATUS_OK)
        status = job_move(store, &row, JOB_RUNNING, err);
    if (status == STATUS_OK)
        status = job_read(store, claim->id, job, err);
    *claimed = status == STATUS_OK;
    return status;
}

enum status store_claim_job(struct store *store, const char *runner, uint64_t lease_ms,
                            struct store_claim *claim, struct store_job *job, bool *claimed,
                            struct error *err) {
    assert(runner[0] && strlen(runner) < STORE_RUNNER_SIZE);
    *claimed = false;
    enum status status = store_begin(store, err);
    if (status != STATUS_OK)
        return status;
    status = store_end(store, claim_job(store, runner, lease_ms, claim, job, claimed, err), err);
    if (status != STATUS_OK && *claimed) {
        store_job_release(job);
        *claimed = false;
    }
    return status;
}

/* ---- holding ---- */

enum status store_claim_renew(struct store *store, const struct store_claim *claim,
                              uint64_t lease_ms, struct error *err) {
    struct query query =
        query_open(store, "UPDATE jobs SET lease_ms = ?1 + ?2"
                          " WHERE id = ?3 AND attempt = ?4 AND claim = ?5 AND lease_ms > ?1"
                          " AND state IN ('running', 'evaluating', 'cancelling')");
    int changed;
    query_bind_integer(&query, (int64_t)store->now_ms());
    query_bind_integer(&query, (int64_t)lease_ms);
    query_bind_text(&query, claim->id);
    query_bind_integer(&query, claim->attempt);
    query_bind_integer(&query, (int64_t)claim->number);
    enum status status = query_run(&query, &changed, err);
    return status == STATUS_OK && changed == 0 ? lost(err) : status;
}

static enum status read_wish(struct store *store, const struct job_row *row, enum store_wish *wish,
                             struct error *err) {
    struct query query = query_open(store, "SELECT pause_wished FROM jobs WHERE sequence = ?");
    query_bind_integer(&query, row->sequence);
    bool pause = query_row(&query) && query_integer(&query) != 0;
    *wish = row->state == JOB_CANCELLING         ? STORE_CANCEL
            : pause && row->state == JOB_RUNNING ? STORE_PAUSE
                                                 : STORE_GO_ON;
    return query_close(&query, err);
}

enum status store_claim_wish(struct store *store, const struct store_claim *claim,
                             enum store_wish *wish, struct error *err) {
    struct job_row row;
    enum status status = store_begin_reading(store, err);
    if (status != STATUS_OK)
        return status;
    status = claim_find(store, claim, &row, err);
    if (status == STATUS_OK)
        status = read_wish(store, &row, wish, err);
    return store_end(store, status, err);
}

enum status store_held(struct store *store, const char *runner, char id[UID_SIZE],
                       enum job_state *state, struct error *err) {
    struct query query =
        query_open(store, "SELECT id, state, 0 AS rank FROM jobs WHERE runner = ?1"
                          " AND state IN ('running', 'evaluating', 'cancelling')"
                          " UNION ALL SELECT id, 'running', 1 FROM datasets WHERE runner = ?1"
                          " AND state = 'validating' ORDER BY rank LIMIT 1");
    query_bind_text(&query, runner);
    id[0] = '\0';
    if (query_row(&query)) {
        char word[16];
        query_text(&query, id, UID_SIZE);
        query_text(&query, word, sizeof word);
        (void)job_state_parse(word, state);
    }
    return query_close(&query, err);
}

/* ---- letting go ---- */

static enum status write_result(struct store *store, const struct job_row *row,
                                const struct store_outcome *outcome, struct error *err) {
    struct query query =
        query_open(store, "UPDATE jobs SET result_model = ?, result_version = ?,"
                          " result_evaluation = nullif(?, ''), better = ? WHERE sequence = ?");
    query_bind_text(&query, outcome->model ? outcome->model : "");
    query_bind_text(&query, outcome->version ? outcome->version : "");
    query_bind_text(&query, outcome->evaluation ? outcome->evaluation : "");
    query_bind_integer(&query, outcome->better);
    query_bind_integer(&query, row->sequence);
    return query_run(&query, NULL, err);
}

/* The wish has been carried out, or can be no more. */
static enum status end_pause(struct store *store, const struct job_row *row, struct error *err) {
    struct query query = query_open(store, "UPDATE jobs SET pause_wished = 0 WHERE sequence = ?");
    query_bind_integer(&query, row->sequence);
    return query_run(&query, NULL, err);
}

static enum status finish(struct store *store, const struct store_claim *claim,
                          const struct store_outcome *outcome, struct error *err) {
    struct job_row row;
    enum job_state to = outcome->state;
    enum status status = claim_find(store, claim, &row, err);
    if (status != STATUS_OK)
        return status;
    if (row.state == JOB_CANCELLING && to == JOB_PAUSED)
        to = JOB_CANCELLED;
    if (!job_state_may_become(row.state, to))
        return error_set(err, STATUS_WRONG_STATE, "A job that is %s cannot become %s.",
                         job_state_word(row.state), job_state_word(to));
    if (to == JOB_SUCCEEDED)
        status = write_result(store, &row, outcome, err);
    if (to == JOB_FAILED)
        status = job_set_error(store, &row, outcome->error_code, outcome->error_message, err);
    if (status == STATUS_OK)
        status = end_pause(store, &row, err);
    if (status == STATUS_OK)
        status = job_release_claim(store, &row, err);
    return status == STATUS_OK ? job_move(store, &row, to, err) : status;
}

enum status store_claim_finish(struct store *store, const struct store_claim *claim,
                               const struct store_outcome *outcome, struct error *err) {
    enum status status = store_begin(store, err);
    return status == STATUS_OK ? store_end(store, finish(store, claim, outcome, err), err) : status;
}

static enum status give_back(struct store *store, const struct store_claim *claim,
                             struct error *err) {
    struct job_row row;
    enum status status = claim_find(store, claim, &row, err);
    if (status == STATUS_OK)
        status = job_release_claim(store, &row, err);
    if (status != STATUS_OK)
        return status;
    return job_move(store, &row, row.state == JOB_CANCELLING ? JOB_CANCELLED : JOB_QUEUED, err);
}

enum status store_claim_give_back(struct store *store, const struct store_claim *claim,
                                  struct error *err) {
    enum status status = store_begin(store, err);
    return status == STATUS_OK ? store_end(store, give_back(store, claim, err), err) : status;
}
