/* For model/store only: the handle, statements that keep their first fault, and what one
 * transaction is made of. The only header that meets sqlite3.h.
 *
 *     struct query query = query_open(store, "SELECT state FROM jobs WHERE id = ?");
 *     query_bind_text(&query, id);
 *     bool found = query_row(&query);
 *     ... query_text(&query, 0) ...
 *     status = query_close(&query, err);
 *
 * After a fault every call does nothing and there is no row; query_close tells.
 */
#ifndef FACEPAIR_MODEL_STORE_INSIDE_H
#define FACEPAIR_MODEL_STORE_INSIDE_H

#include "model/json.h"
#include "model/store/events.h"
#include "model/store/runner.h"

#include <limits.h>
#include <sqlite3.h>

/* One kind of file, and the steps from each of its versions to the next. */
struct schema {
    const char *file; /* its name in the data directory: "store.sqlite" */
    int application;  /* what an SQLite file of this kind says it is */
    const char *const *steps;
    int version; /* how many steps there are */
};
extern const struct schema STORE_SCHEMA;

struct store {
    sqlite3 *database;
    const struct schema *schema;
    uint64_t (*now_ms)(void);
    char data[PATH_MAX];
};

/* ---- statements ---- */

struct query {
    struct store *store;
    sqlite3_stmt *statement;
    int code;   /* SQLite's, of the first fault */
    int cause;  /* errno of the call that failed in the operating system */
    int bound;  /* parameters so far; they are bound from left to right */
    int column; /* read so far; they are read from left to right */
    bool done;  /* a step more would run it anew */
};

struct query query_open(struct store *store, const char *sql);
void query_bind_text(struct query *query, const char *text); /* borrowed until query_close */
void query_bind_integer(struct query *query, int64_t value);
void query_bind_real(struct query *query, double value); /* NaN is NULL */
/* Runs to the next row; true: there is one, and its columns are read from the first on. */
bool query_row(struct query *query);
/* The next column of the row. */
int64_t query_integer(struct query *query);
double query_real(struct query *query); /* NULL is NaN */
void query_text(struct query *query, char *text, size_t size);
char *query_text_copy(struct query *query); /* from malloc; NULL for NULL or without memory */
/* Runs what has not been run yet. */
enum status query_close(struct query *query, struct error *err);
/* For a statement that returns nothing: how many rows it has changed. */
enum status query_run(struct query *query, int *changed, struct error *err);

/* Statements without parameters, one or several. */
enum status store_run(struct store *store, const char *sql, struct error *err);
/* What SQLite's code means; cause: errno, or 0. */
enum status store_failed(const struct store *store, int code, int cause, struct error *err);

/* ---- transactions ---- */

enum status store_begin(struct store *store, struct error *err); /* waits for other writers */
enum status store_begin_reading(struct store *store, struct error *err);
/* Commits after STATUS_OK, else undoes; returns the first that went wrong. */
enum status store_end(struct store *store, enum status status, struct error *err);

/* ---- parts of transactions ---- */

/* Where a job stands; STATUS_NOT_FOUND. */
struct job_row {
    int64_t sequence;
    enum job_state state;
    unsigned attempt;
};
/* Whole, as store_job_get; within a transaction. */
enum status job_read(struct store *store, const char *id, struct store_job *job, struct error *err);
enum status job_find(struct store *store, const char *id, struct job_row *row, struct error *err);
/* Takes the way from row->state to `to` (which the table must have), with its event. */
enum status job_move(struct store *store, struct job_row *row, enum job_state to,
                     struct error *err);
/* The event of the state in which it is. */
enum status job_tell(struct store *store, const struct job_row *row, struct error *err);
/* The claim is given back or over: nobody holds the job. */
enum status job_release_claim(struct store *store, const struct job_row *row, struct error *err);
enum status job_set_error(struct store *store, const struct job_row *row, const char *code,
                          const char *message, struct error *err);

/* The row of a claim that still holds; STATUS_WRONG_STATE: it is lost. */
enum status claim_find(struct store *store, const struct store_claim *claim, struct job_row *row,
                       struct error *err);

/* An event's text: an object is open in the writer (NULL: out of memory), then closed and from
 * malloc, NULL without memory. */
struct json_writer *event_open(void);
char *event_close(struct json_writer *writer);
/* data: borrowed; NULL is STATUS_INTERNAL, for want of memory. */
enum status event_append(struct store *store, int64_t job, enum event_type type, const char *data,
                         struct error *err);

/* Settles as store_settle, within a transaction. */
enum status settle_leases(struct store *store, const char *runner, struct store_settled *settled,
                          struct error *err);

/* STATUS_IN_USE while a job that is not final uses the data set. */
enum status dataset_is_free(struct store *store, const char *name, struct error *err);

/* As store_open, for a file of any kind; what `schema` points to stays. */
enum status store_open_file(const struct store_options *options, const struct schema *schema,
                            struct store **store, struct error *err);
/* Brings the file to the version of this program. */
enum status store_migrate(struct store *store, struct error *err);

#endif
