#include "model/store/events.h"

#include "model/store/inside.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[EVENT_TYPES_COUNT] = {
#define X(name, word) [EVENT_##name] = (word),
    EVENT_TYPES(X)
#undef X
};

const char *event_type_word(enum event_type type) {
    assert(type < EVENT_TYPES_COUNT);
    return words[type];
}

static enum event_type parse_type(const char *word) {
    unsigned type = 0;
    while (type + 1 < EVENT_TYPES_COUNT && strcmp(word, words[type]) != 0)
        type++;
    return (enum event_type)type;
}

/* ---- writing ---- */

static enum status take_number(struct store *store, int64_t job, int64_t *number,
                               struct error *err) {
    struct query query = query_open(
        store, "UPDATE jobs SET events = events + 1 WHERE sequence = ? RETURNING events");
    query_bind_integer(&query, job);
    *number = query_row(&query) ? query_integer(&query) : 0;
    return query_run(&query, NULL, err);
}

static enum status insert(struct store *store, int64_t job, int64_t number, enum event_type type,
                          const char *data, struct error *err) {
    struct query query = query_open(
        store, "INSERT INTO events (job, number, at_ms, type, data) VALUES (?, ?, ?, ?, ?)");
    query_bind_integer(&query, job);
    query_bind_integer(&query, number);
    query_bind_integer(&query, (int64_t)store->now_ms());
    query_bind_text(&query, event_type_word(type));
    query_bind_text(&query, data);
    return query_run(&query, NULL, err);
}

/* One comes, so at most one has to go. */
static enum status forget_oldest(struct store *store, int64_t job, int64_t number,
                                 struct error *err) {
    struct query query = query_open(store, "DELETE FROM events WHERE job = ? AND number = ?"
                                           " AND type IN ('progress', 'log')");
    query_bind_integer(&query, job);
    query_bind_integer(&query, number - STORE_EVENTS_MAX);
    return query_run(&query, NULL, err);
}

struct json_writer *event_open(void) {
    struct json_writer *writer = json_writer_create_compact();
    if (writer)
        json_write_object(writer, NULL);
    return writer;
}

char *event_close(struct json_writer *writer) {
    size_t size;
    json_write_end(writer);
    return json_writer_finish(writer, &size);
}

enum status event_append(struct store *store, int64_t job, enum event_type type, const char *data,
                         struct error *err) {
    int64_t number = 0;
    if (!data)
        return error_set(err, STATUS_INTERNAL, "out of memory for an event");
    enum status status = take_number(store, job, &number, err);
    if (status == STATUS_OK)
        status = insert(store, job, number, type, data, err);
    if (status == STATUS_OK && number > STORE_EVENTS_MAX)
        status = forget_oldest(store, job, number, err);
    return status;
}

/* ---- reading ---- */

static enum status read_page(struct store *store, int64_t job, uint64_t after, size_t limit,
                             struct store_event *events, size_t *count, struct error *err) {
    struct query query = query_open(store, "SELECT number, at_ms, type, data FROM events"
                                           " WHERE job = ? AND number > ? ORDER BY number LIMIT ?");
    query_bind_integer(&query, job);
    query_bind_integer(&query, (int64_t)after);
    query_bind_integer(&query, (int64_t)limit);
    for (*count = 0; *count < limit && query_row(&query); ++*count) {
        struct store_event *event = &events[*count];
        char type[16];
        event->number = (uint64_t)query_integer(&query);
        event->at_ms = (uint64_t)query_integer(&query);
        query_text(&query, type, sizeof type);
        event->type = parse_type(type);
        event->data = query_text_copy(&query);
    }
    return query_close(&query, err);
}

/* *wished: the job's promotion is yet to be decided, which will be an event. */
static enum status read_last(struct store *store, int64_t job, uint64_t *last, bool *wished,
                             struct error *err) {
    struct query query =
        query_open(store, "SELECT events, promotion = 'wished' FROM jobs WHERE sequence = ?");
    query_bind_integer(&query, job);
    if (query_row(&query)) {
        *last = (uint64_t)query_integer(&query);
        *wished = query_integer(&query) != 0;
    }
    return query_close(&query, err);
}

static enum status read_events(struct store *store, const char *id, uint64_t after, size_t limit,
                               struct store_event *events, size_t *count, bool *ended,
                               struct error *err) {
    struct job_row row;
    uint64_t last = 0;
    bool wished = false;
    enum status status = job_find(store, id, &row, err);
    if (status == STATUS_OK)
        status = read_page(store, row.sequence, after, limit, events, count, err);
    if (status == STATUS_OK)
        status = read_last(store, row.sequence, &last, &wished, err);
    if (status == STATUS_OK)
        *ended = job_state_is_final(row.state) && !wished &&
                 (*count > 0 ? events[*count - 1].number : after) >= last;
    return status;
}

enum status store_events(struct store *store, const char *id, uint64_t after, size_t limit,
                         struct store_event **events, size_t *count, bool *ended,
                         struct error *err) {
    assert(limit > 0 && limit <= STORE_PAGE_MAX);
    *count = 0;
    *events = calloc(limit, sizeof **events);
    if (!*events)
        return error_set(err, STATUS_INTERNAL, "out of memory for events");
    enum status status = store_begin_reading(store, err);
    if (status == STATUS_OK)
        status = store_end(store,
                           read_events(store, id, after < INT64_MAX ? after : INT64_MAX, limit,
                                       *events, count, ended, err),
                           err);
    if (status != STATUS_OK) {
        store_events_release(*events, *count);
        *events = NULL;
        *count = 0;
    }
    return status;
}

void store_events_release(struct store_event *events, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(events[i].data);
    free(events);
}
