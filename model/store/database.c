/* SQLite, in the manner of the rest of the program: statuses, and statements that keep their first
 * fault. */
#include "model/store/inside.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Some file systems tell of a full disk only as a failed write, and the cause is errno's. */
enum status store_failed(const struct store *store, int code, int cause, struct error *err) {
    int kind = code & 0xff;
    if (kind == SQLITE_FULL || cause == ENOSPC || cause == EDQUOT)
        return error_set(err, STATUS_STORAGE_FULL,
                         "The disk that holds the store is full; nothing was changed.");
    if (kind == SQLITE_BUSY || kind == SQLITE_LOCKED)
        return error_set(err, STATUS_OVERLOADED, "The store is busy; try again.");
    return error_set(err, STATUS_INTERNAL, "%.150s/%s: %.60s", store->data, store->schema->file,
                     sqlite3_errstr(code));
}

/* ---- statements ---- */

static void note(struct query *query, int code) {
    if (query->code != SQLITE_OK || code == SQLITE_OK)
        return;
    query->code = sqlite3_extended_errcode(query->store->database);
    if (query->code == SQLITE_OK)
        query->code = code;
    if ((query->code & 0xff) == SQLITE_IOERR || (query->code & 0xff) == SQLITE_CANTOPEN)
        query->cause = sqlite3_system_errno(query->store->database);
}

struct query query_open(struct store *store, const char *sql) {
    struct query query = {.store = store};
    note(&query, sqlite3_prepare_v2(store->database, sql, -1, &query.statement, NULL));
    return query;
}

void query_bind_text(struct query *query, const char *text) {
    if (query->code == SQLITE_OK)
        note(query, sqlite3_bind_text(query->statement, ++query->bound, text, -1, SQLITE_STATIC));
}

void query_bind_integer(struct query *query, int64_t value) {
    if (query->code == SQLITE_OK)
        note(query, sqlite3_bind_int64(query->statement, ++query->bound, value));
}

void query_bind_real(struct query *query, double value) {
    if (query->code == SQLITE_OK)
        note(query, sqlite3_bind_double(query->statement, ++query->bound, value));
}

bool query_row(struct query *query) {
    if (query->code != SQLITE_OK || query->done)
        return false;
    assert(query->bound == sqlite3_bind_parameter_count(query->statement));
    query->column = 0;
    int code = sqlite3_step(query->statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        note(query, code);
    query->done = code != SQLITE_ROW;
    return code == SQLITE_ROW;
}

int64_t query_integer(struct query *query) {
    return sqlite3_column_int64(query->statement, query->column++);
}

double query_real(struct query *query) {
    int column = query->column++;
    return sqlite3_column_type(query->statement, column) == SQLITE_NULL
               ? NAN
               : sqlite3_column_double(query->statement, column);
}

void query_text(struct query *query, char *text, size_t size) {
    const char *value = (const char *)sqlite3_column_text(query->statement, query->column++);
    size_t length = value ? strlen(value) : 0;
    if (length >= size)
        length = size - 1;
    if (value)
        memcpy(text, value, length);
    text[length] = '\0';
}

char *query_text_copy(struct query *query) {
    const char *value = (const char *)sqlite3_column_text(query->statement, query->column++);
    char *copy = value ? strdup(value) : NULL;
    if (value && !copy && query->code == SQLITE_OK)
        query->code = SQLITE_NOMEM;
    return copy;
}

enum status query_close(struct query *query, struct error *err) {
    sqlite3_finalize(query->statement);
    query->statement = NULL;
    return query->code == SQLITE_OK ? STATUS_OK
                                    : store_failed(query->store, query->code, query->cause, err);
}

enum status query_run(struct query *query, int *changed, struct error *err) {
    while (query_row(query)) {
    }
    if (changed)
        *changed = sqlite3_changes(query->store->database);
    return query_close(query, err);
}

enum status store_run(struct store *store, const char *sql, struct error *err) {
    int code = sqlite3_exec(store->database, sql, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        return STATUS_OK;
    int cause = (code & 0xff) == SQLITE_IOERR ? sqlite3_system_errno(store->database) : 0;
    return store_failed(store, code, cause, err);
}

/* ---- transactions ---- */

enum status store_begin(struct store *store, struct error *err) {
    return store_run(store, "BEGIN IMMEDIATE", err);
}

enum status store_begin_reading(struct store *store, struct error *err) {
    return store_run(store, "BEGIN", err);
}

enum status store_end(struct store *store, enum status status, struct error *err) {
    if (status == STATUS_OK)
        status = store_run(store, "COMMIT", err);
    /* A full disk may have undone it already. */
    if (status != STATUS_OK && !sqlite3_get_autocommit(store->database))
        (void)store_run(store, "ROLLBACK", NULL);
    return status;
}
