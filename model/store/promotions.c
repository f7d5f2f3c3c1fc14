#include "model/store/promotions.h"

#include "model/store/inside.h"

#include <assert.h>
#include <stdlib.h>

enum status store_promotion_note(struct store *store, const struct store_promotion *promotion,
                                 struct error *err) {
    struct query query =
        query_open(store, "INSERT INTO promotions (at_ms, model, from_version, to_version, job)"
                          " VALUES (?, ?, ?, ?, ?)");
    query_bind_integer(&query, (int64_t)store->now_ms());
    query_bind_text(&query, promotion->model);
    query_bind_text(&query, promotion->from);
    query_bind_text(&query, promotion->to);
    query_bind_text(&query, promotion->job);
    return query_run(&query, NULL, err);
}

static void read_row(struct query *query, struct store_promotion *promotion) {
    promotion->number = (uint64_t)query_integer(query);
    promotion->at_ms = (uint64_t)query_integer(query);
    query_text(query, promotion->model, sizeof promotion->model);
    query_text(query, promotion->from, sizeof promotion->from);
    query_text(query, promotion->to, sizeof promotion->to);
    query_text(query, promotion->job, sizeof promotion->job);
}

enum status store_promotion_list(struct store *store, const char *model, uint64_t before,
                                 size_t limit, struct store_promotion **promotions, size_t *count,
                                 bool *has_more, struct error *err) {
    assert(limit > 0 && limit <= STORE_PAGE_MAX);
    *count = 0;
    *has_more = false;
    *promotions = calloc(limit, sizeof **promotions);
    if (!*promotions)
        return error_set(err, STATUS_INTERNAL, "out of memory for a list of promotions");
    struct query query = query_open(
        store, "SELECT number, at_ms, model, from_version, to_version, job FROM promotions"
               " WHERE (?1 = '' OR model = ?1) AND (?2 = 0 OR number < ?2)"
               " ORDER BY number DESC LIMIT ?3");
    query_bind_text(&query, model ? model : "");
    query_bind_integer(&query, before < INT64_MAX ? (int64_t)before : INT64_MAX);
    query_bind_integer(&query, (int64_t)limit + 1);
    while (query_row(&query)) {
        *has_more = *count == limit;
        if (*has_more)
            break;
        read_row(&query, &(*promotions)[(*count)++]);
    }
    enum status status = query_close(&query, err);
    if (status != STATUS_OK) {
        free(*promotions);
        *promotions = NULL;
    }
    return status;
}

/* ---- wishes ---- */

static enum status find_wish(struct store *store, char id[UID_SIZE], bool *found,
                             struct error *err) {
    struct query query =
        query_open(store, "SELECT id FROM jobs WHERE promotion = 'wished' AND state = 'succeeded'"
                          " ORDER BY finished_ms, sequence LIMIT 1");
    *found = query_row(&query);
    if (*found)
        query_text(&query, id, UID_SIZE);
    return query_close(&query, err);
}

enum status store_wish_next(struct store *store, struct store_job *job, bool *found,
                            struct error *err) {
    char id[UID_SIZE];
    *found = false;
    enum status status = store_begin_reading(store, err);
    if (status != STATUS_OK)
        return status;
    status = find_wish(store, id, found, err);
    if (status == STATUS_OK && *found)
        status = job_read(store, id, job, err);
    return store_end(store, status, err);
}

static char *settled_text(const struct job_row *row, enum promotion_state outcome,
                          const char *reason) {
    struct json_writer *writer = event_open();
    if (!writer)
        return NULL;
    json_write_text(writer, "status", job_state_word(row->state));
    json_write_integer(writer, "attempt", row->attempt);
    json_write_object(writer, "promotion");
    json_write_text(writer, "status", promotion_state_word(outcome));
    json_write_text(writer, "reason", reason);
    json_write_end(writer);
    return event_close(writer);
}

static enum status tell_settled(struct store *store, const char *id, enum promotion_state outcome,
                                const char *reason, struct error *err) {
    struct job_row row;
    enum status status = job_find(store, id, &row, err);
    if (status != STATUS_OK)
        return status;
    char *data = settled_text(&row, outcome, reason);
    status = event_append(store, row.sequence, EVENT_STATE, data, err);
    free(data);
    return status;
}

static enum status settle(struct store *store, const char *id, enum promotion_state outcome,
                          const char *reason, struct error *err) {
    struct query query =
        query_open(store, "UPDATE jobs SET promotion = ?, promotion_reason = ?"
                          " WHERE id = ? AND promotion = 'wished' AND state = 'succeeded'");
    int changed;
    query_bind_text(&query, promotion_state_word(outcome));
    query_bind_text(&query, reason);
    query_bind_text(&query, id);
    enum status status = query_run(&query, &changed, err);
    if (status == STATUS_OK && changed == 0)
        return error_set(err, STATUS_WRONG_STATE, "The job has no promotion to be decided.");
    return status == STATUS_OK ? tell_settled(store, id, outcome, reason, err) : status;
}

enum status store_wish_settle(struct store *store, const char *id, enum promotion_state outcome,
                              const char *reason, struct error *err) {
    assert(outcome == PROMOTION_CARRIED || outcome == PROMOTION_REFUSED);
    enum status status = store_begin(store, err);
    return status == STATUS_OK ? store_end(store, settle(store, id, outcome, reason, err), err)
                               : status;
}
