#include "model/store/datasets.h"

#include "model/store/inside.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[DATASET_STATES_COUNT] = {
#define X(name, word) [DATASET_##name] = (word),
    DATASET_STATES(X)
#undef X
};

const char *dataset_state_word(enum dataset_state state) {
    assert(state < DATASET_STATES_COUNT);
    return words[state];
}

static enum dataset_state parse_state(const char *word) {
    unsigned state = 0;
    while (state + 1 < DATASET_STATES_COUNT && strcmp(word, words[state]) != 0)
        state++;
    return (enum dataset_state)state;
}

/* ---- reading ---- */

#define COLUMNS                                                                                    \
    "id, name, state, sha256, purpose, created_ms, checked_ms, retain_until_ms, bytes, files,"     \
    " people, images, undecodable, error_code, error_message"
#define TEXT(field) query_text(query, field, sizeof(field))

static void read_row(struct query *query, struct store_dataset *dataset) {
    char word[16];
    TEXT(dataset->id);
    TEXT(dataset->name);
    TEXT(word);
    dataset->state = parse_state(word);
    TEXT(dataset->sha256);
    TEXT(dataset->purpose);
    dataset->created_ms = (uint64_t)query_integer(query);
    dataset->checked_ms = (uint64_t)query_integer(query);
    dataset->retain_until_ms = (uint64_t)query_integer(query);
    dataset->bytes = (uint64_t)query_integer(query);
    dataset->files = (size_t)query_integer(query);
    dataset->people = (size_t)query_integer(query);
    dataset->images = (size_t)query_integer(query);
    dataset->undecodable = (size_t)query_integer(query);
    TEXT(dataset->error_code);
    TEXT(dataset->error_message);
}

enum status store_dataset_get(struct store *store, const char *name, struct store_dataset *dataset,
                              struct error *err) {
    struct query query = query_open(store, "SELECT " COLUMNS " FROM datasets WHERE name = ?");
    query_bind_text(&query, name);
    *dataset = (struct store_dataset){.name = ""};
    bool found = query_row(&query);
    if (found)
        read_row(&query, dataset);
    enum status status = query_close(&query, err);
    if (status == STATUS_OK && !found)
        return error_set(err, STATUS_NOT_FOUND, "There is no data set of this name.");
    return status;
}

enum status store_dataset_list(struct store *store, const char *after, size_t limit,
                               struct store_dataset **datasets, size_t *count, bool *has_more,
                               struct error *err) {
    assert(limit > 0 && limit <= STORE_PAGE_MAX);
    *count = 0;
    *has_more = false;
    *datasets = calloc(limit, sizeof **datasets);
    if (!*datasets)
        return error_set(err, STATUS_INTERNAL, "out of memory for a list of data sets");
    struct query query =
        query_open(store, "SELECT " COLUMNS " FROM datasets WHERE name > ? ORDER BY name LIMIT ?");
    query_bind_text(&query, after ? after : "");
    query_bind_integer(&query, (int64_t)limit + 1);
    while (query_row(&query)) {
        *has_more = *count == limit;
        if (*has_more)
            break;
        read_row(&query, &(*datasets)[(*count)++]);
    }
    enum status status = query_close(&query, err);
    if (status != STATUS_OK) {
        free(*datasets);
        *datasets = NULL;
    }
    return status;
}

/* ---- coming ---- */

static enum status insert(struct store *store, const struct store_dataset *dataset,
                          struct error *err) {
    struct query query = query_open(
        store, "INSERT INTO datasets (id, name, state, sha256, purpose, created_ms,"
               " retain_until_ms, bytes, files) VALUES (?, ?, 'validating', ?, ?, ?, ?, ?, ?)");
    query_bind_text(&query, dataset->id);
    query_bind_text(&query, dataset->name);
    query_bind_text(&query, dataset->sha256);
    query_bind_text(&query, dataset->purpose);
    query_bind_integer(&query, (int64_t)store->now_ms());
    query_bind_integer(&query, (int64_t)dataset->retain_until_ms);
    query_bind_integer(&query, (int64_t)dataset->bytes);
    query_bind_integer(&query, (int64_t)dataset->files);
    return query_run(&query, NULL, err);
}

static enum status create(struct store *store, const struct store_dataset *dataset, bool *same,
                          struct error *err) {
    struct store_dataset there;
    enum status status = store_dataset_get(store, dataset->name, &there, err);
    if (status == STATUS_NOT_FOUND)
        return insert(store, dataset, err);
    if (status != STATUS_OK)
        return status;
    *same = there.state != DATASET_DELETING && strcmp(there.sha256, dataset->sha256) == 0;
    return *same ? STATUS_OK
                 : error_set(err, STATUS_DATASET_EXISTS,
                             "A data set of this name has other content; delete it first.");
}

enum status store_dataset_create(struct store *store, const struct store_dataset *dataset,
                                 bool *same, struct error *err) {
    *same = false;
    enum status status = store_begin(store, err);
    return status == STATUS_OK ? store_end(store, create(store, dataset, same, err), err) : status;
}

/* ---- changing and going ---- */

enum status dataset_is_free(struct store *store, const char *name, struct error *err) {
    struct query query =
        query_open(store, "SELECT 1 FROM jobs WHERE dataset = ?"
                          " AND state NOT IN ('succeeded', 'failed', 'cancelled') LIMIT 1");
    query_bind_text(&query, name);
    bool used = query_row(&query);
    enum status status = query_close(&query, err);
    if (status == STATUS_OK && used)
        return error_set(err, STATUS_IN_USE, "A job that has not ended uses the data set.");
    return status;
}

enum status store_dataset_free(struct store *store, const char *name, struct error *err) {
    return dataset_is_free(store, name, err);
}

static enum status find_free(struct store *store, const char *name, struct store_dataset *dataset,
                             struct error *err) {
    enum status status = store_dataset_get(store, name, dataset, err);
    return status == STATUS_OK ? dataset_is_free(store, name, err) : status;
}

static enum status write_change(struct store *store, const char *name, const char *sha256,
                                uint64_t bytes, size_t files, struct error *err) {
    struct query query = query_open(
        store, "UPDATE datasets SET state = 'validating', sha256 = ?, bytes = ?, files = ?,"
               " checked_ms = 0, attempt = 1, error_code = '', error_message = ''"
               " WHERE name = ?");
    query_bind_text(&query, sha256);
    query_bind_integer(&query, (int64_t)bytes);
    query_bind_integer(&query, (int64_t)files);
    query_bind_text(&query, name);
    return query_run(&query, NULL, err);
}

enum status store_dataset_change(struct store *store, const char *name, const char *sha256,
                                 uint64_t bytes, size_t files, struct error *err) {
    struct store_dataset dataset;
    enum status status = store_begin(store, err);
    if (status != STATUS_OK)
        return status;
    status = find_free(store, name, &dataset, err);
    if (status == STATUS_OK && dataset.state != DATASET_READY && dataset.state != DATASET_REJECTED)
        status = error_set(err, STATUS_WRONG_STATE, "The data set is %s; wait until it is checked.",
                           dataset_state_word(dataset.state));
    if (status == STATUS_OK)
        status = write_change(store, name, sha256, bytes, files, err);
    return store_end(store, status, err);
}

static enum status mark_deleting(struct store *store, const char *name, struct error *err) {
    struct query query = query_open(store, "UPDATE datasets SET state = 'deleting', runner = '',"
                                           " lease_ms = 0 WHERE name = ?");
    query_bind_text(&query, name);
    return query_run(&query, NULL, err);
}

enum status store_dataset_begin_delete(struct store *store, const char *name, struct error *err) {
    struct store_dataset dataset;
    enum status status = store_begin(store, err);
    if (status != STATUS_OK)
        return status;
    status = find_free(store, name, &dataset, err);
    if (status == STATUS_OK)
        status = mark_deleting(store, name, err);
    return store_end(store, status, err);
}

enum status store_dataset_end_delete(struct store *store, const char *name, struct error *err) {
    struct query query =
        query_open(store, "DELETE FROM datasets WHERE name = ? AND state = 'deleting'");
    query_bind_text(&query, name);
    return query_run(&query, NULL, err);
}

enum status store_dataset_expired(struct store *store, char (**names)[STORE_NAME_SIZE],
                                  size_t *count, struct error *err) {
    *count = 0;
    *names = calloc(STORE_PAGE_MAX, sizeof **names);
    if (!*names)
        return error_set(err, STATUS_INTERNAL, "out of memory for a list of data sets");
    struct query query = query_open(
        store, "SELECT name FROM datasets WHERE state = 'deleting'"
               " OR (retain_until_ms BETWEEN 1 AND ? AND NOT EXISTS (SELECT 1 FROM jobs"
               " WHERE dataset = name AND state NOT IN ('succeeded', 'failed', 'cancelled')))"
               " ORDER BY name LIMIT ?");
    query_bind_integer(&query, (int64_t)store->now_ms());
    query_bind_integer(&query, STORE_PAGE_MAX);
    while (*count < STORE_PAGE_MAX && query_row(&query))
        query_text(&query, (*names)[(*count)++], STORE_NAME_SIZE);
    enum status status = query_close(&query, err);
    if (status != STATUS_OK) {
        free(*names);
        *names = NULL;
    }
    return status;
}
