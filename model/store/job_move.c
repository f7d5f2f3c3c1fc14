/* The only place where a job changes its state. */
#include "model/store/inside.h"

#include <assert.h>
#include <stdlib.h>

static enum status unknown_job(struct error *err) {
    return error_set(err, STATUS_NOT_FOUND, "There is no job of this id.");
}

enum status job_find(struct store *store, const char *id, struct job_row *row, struct error *err) {
    struct query query =
        query_open(store, "SELECT sequence, state, attempt FROM jobs WHERE id = ?");
    query_bind_text(&query, id);
    *row = (struct job_row){0};
    bool found = query_row(&query), known = false;
    if (found) {
        char word[16];
        row->sequence = query_integer(&query);
        query_text(&query, word, sizeof word);
        row->attempt = (unsigned)query_integer(&query);
        known = job_state_parse(word, &row->state);
    }
    enum status status = query_close(&query, err);
    if (status == STATUS_OK && !found)
        return unknown_job(err);
    if (status == STATUS_OK && !known)
        return error_set(err, STATUS_INTERNAL, "job %s has a state that nobody knows", id);
    return status;
}

static char *state_text(const struct job_row *row, const char *code, const char *message) {
    struct json_writer *writer = event_open();
    if (!writer)
        return NULL;
    json_write_text(writer, "status", job_state_word(row->state));
    json_write_integer(writer, "attempt", row->attempt);
    if (code[0]) {
        json_write_object(writer, "error");
        json_write_text(writer, "code", code);
        json_write_text(writer, "message", message);
        json_write_end(writer);
    }
    return event_close(writer);
}

enum status job_tell(struct store *store, const struct job_row *row, struct error *err) {
    struct query query =
        query_open(store, "SELECT error_code, error_message FROM jobs WHERE sequence = ?");
    char code[STORE_CODE_SIZE] = "", message[STORE_MESSAGE_SIZE] = "";
    query_bind_integer(&query, row->sequence);
    if (query_row(&query)) {
        query_text(&query, code, sizeof code);
        query_text(&query, message, sizeof message);
    }
    enum status status = query_close(&query, err);
    if (status != STATUS_OK)
        return status;
    char *data = state_text(row, code, message);
    status = event_append(store, row->sequence, EVENT_STATE, data, err);
    free(data);
    return status;
}

static enum status refuse_wish(struct store *store, const struct job_row *row, struct error *err) {
    struct query query = query_open(store, "UPDATE jobs SET promotion = 'refused',"
                                           " promotion_reason = 'The job did not succeed.'"
                                           " WHERE sequence = ? AND promotion = 'wished'");
    query_bind_integer(&query, row->sequence);
    return query_run(&query, NULL, err);
}

enum status job_move(struct store *store, struct job_row *row, enum job_state to,
                     struct error *err) {
    assert(job_state_may_become(row->state, to));
    struct query query =
        query_open(store, "UPDATE jobs SET state = ?1,"
                          " started_ms = iif(?1 = 'running' AND started_ms = 0, ?2, started_ms),"
                          " finished_ms = iif(?3, ?2, 0) WHERE sequence = ?4 AND state = ?5");
    int changed;
    query_bind_text(&query, job_state_word(to));
    query_bind_integer(&query, (int64_t)store->now_ms());
    query_bind_integer(&query, job_state_is_final(to));
    query_bind_integer(&query, row->sequence);
    query_bind_text(&query, job_state_word(row->state));
    enum status status = query_run(&query, &changed, err);
    if (status != STATUS_OK)
        return status;
    /* It was read in the same transaction. */
    assert(changed == 1);
    row->state = to;
    if (job_state_is_final(to) && to != JOB_SUCCEEDED)
        status = refuse_wish(store, row, err);
    return status != STATUS_OK ? status : job_tell(store, row, err);
}

enum status job_release_claim(struct store *store, const struct job_row *row, struct error *err) {
    struct query query = query_open(
        store, "UPDATE jobs SET runner = '', lease_ms = 0,"
               " computed_ms = computed_ms + max(?1 - claimed_ms, 0) WHERE sequence = ?2");
    query_bind_integer(&query, (int64_t)store->now_ms());
    query_bind_integer(&query, row->sequence);
    return query_run(&query, NULL, err);
}

enum status job_set_error(struct store *store, const struct job_row *row, const char *code,
                          const char *message, struct error *err) {
    struct query query =
        query_open(store, "UPDATE jobs SET error_code = ?, error_message = ? WHERE sequence = ?");
    query_bind_text(&query, code);
    query_bind_text(&query, message);
    query_bind_integer(&query, row->sequence);
    return query_run(&query, NULL, err);
}
