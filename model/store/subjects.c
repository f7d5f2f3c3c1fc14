/* The file has two tables: subjects is what was decided, tries what is under way and, where a retry
 * could be told, what was decided lately. A pending try has as many holders as requests wait for
 * it.
 *
 * The time is the wall clock's, which processes and restarts share. Where it was set back, a
 * refusal of the future makes nobody wait: one try comes early, instead of none for as long as
 * that. */
#include "model/store/subjects.h"

#include "model/store/inside.h"
#include "model/store/store.h"
#include "model/store/subjects_key.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { HASH_BYTES = 16, SWEEP_ROWS = 2000 };

static const char *const STEPS[] = {
    /* 1 */
    "CREATE TABLE subjects ("
    " subject TEXT NOT NULL PRIMARY KEY,"
    " refusals INTEGER NOT NULL,"
    " refused_ms INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX subjects_by_time ON subjects (refused_ms);"
    "CREATE TABLE tries ("
    " number INTEGER PRIMARY KEY AUTOINCREMENT,"
    " subject TEXT NOT NULL,"
    " request TEXT NOT NULL," /* '' : a retry could not be told */
    " begun_ms INTEGER NOT NULL,"
    " holders INTEGER NOT NULL," /* 0: decided */
    " CHECK (holders >= 0)"
    ") STRICT;"
    "CREATE UNIQUE INDEX tries_by_request ON tries (subject, request) WHERE request <> '';"
    "CREATE INDEX tries_pending ON tries (subject, begun_ms) WHERE holders > 0;"
    "CREATE INDEX tries_by_time ON tries (begun_ms);"
    "CREATE TABLE key_of (fingerprint TEXT NOT NULL) STRICT;",
};

static const struct schema SCHEMA = {.file = "subjects.sqlite",
                                     .application = 0x46507375, /* "FPsu" */
                                     .steps = STEPS,
                                     .version = sizeof STEPS / sizeof STEPS[0]};

struct subjects {
    struct store *store;
    struct subjects_options options;
    uint8_t key[SUBJECTS_KEY_BYTES];
};

static void hash(const struct subjects *subjects, const char *purpose, const void *bytes,
                 size_t size, char text[SUBJECT_HASH_SIZE]) {
    crypto_generichash_state state;
    unsigned char sum[HASH_BYTES];
    crypto_generichash_init(&state, subjects->key, sizeof subjects->key, sizeof sum);
    crypto_generichash_update(&state, (const unsigned char *)purpose, strlen(purpose) + 1);
    crypto_generichash_update(&state, bytes, size);
    crypto_generichash_final(&state, sum, sizeof sum);
    sodium_bin2hex(text, SUBJECT_HASH_SIZE, sum, sizeof sum);
}

/* ---- opening ---- */

/* Hashes of another key would find nothing: every count would be lost without a word. */
static enum status check_key(struct subjects *subjects, struct error *err) {
    char fingerprint[SUBJECT_HASH_SIZE], kept[SUBJECT_HASH_SIZE] = "";
    hash(subjects, "fingerprint", "", 0, fingerprint);
    enum status status = store_begin(subjects->store, err);
    if (status != STATUS_OK)
        return status;
    struct query query = query_open(subjects->store, "SELECT fingerprint FROM key_of");
    bool has = query_row(&query);
    if (has)
        query_text(&query, kept, sizeof kept);
    status = query_close(&query, err);
    if (status == STATUS_OK && !has) {
        query = query_open(subjects->store, "INSERT INTO key_of VALUES (?)");
        query_bind_text(&query, fingerprint);
        status = query_run(&query, NULL, err);
    } else if (status == STATUS_OK && strcmp(kept, fingerprint) != 0) {
        status = error_set(err, STATUS_INTERNAL,
                           "%.140s/subjects.key is not the key of subjects.sqlite beside it; put "
                           "the right one back, or remove both and with them all counts",
                           subjects->store->data);
    }
    return store_end(subjects->store, status, err);
}

enum status subjects_open(const struct subjects_options *options, struct subjects **opened,
                          struct error *err) {
    assert(options->free_max >= 1 && options->refusals_max >= options->free_max);
    struct subjects *subjects = calloc(1, sizeof *subjects);
    if (!subjects)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    subjects->options = *options;
    const struct store_options store = {
        .data = options->folder, .busy_ms = options->busy_ms, .now_ms = options->now_ms};
    enum status status = store_open_file(&store, &SCHEMA, &subjects->store, err);
    if (status == STATUS_OK)
        status = subjects_key_read(options->folder, subjects->key, err);
    if (status == STATUS_OK)
        status = check_key(subjects, err);
    if (status == STATUS_OK)
        *opened = subjects;
    else
        subjects_close(subjects);
    return status;
}

void subjects_close(struct subjects *subjects) {
    if (!subjects)
        return;
    store_close(subjects->store);
    sodium_memzero(subjects->key, sizeof subjects->key);
    free(subjects);
}

/* ---- one change ---- */

/* With NORMAL what is committed is in the file, and outlives the process, but nobody waits for the
 * disk; with FULL it, and all that was committed before it, is on disk. */
enum status subjects_begin(struct subjects *subjects, bool durable, struct error *err) {
    enum status status =
        store_run(subjects->store,
                  durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", err);
    return status == STATUS_OK ? store_begin(subjects->store, err) : status;
}

enum status subjects_end(struct subjects *subjects, enum status status, struct error *err) {
    return store_end(subjects->store, status, err);
}

/* ---- how a subject stands ---- */

static enum status read_state(struct subjects *subjects, const char *subject,
                              struct subject_state *state, struct error *err) {
    struct query query =
        query_open(subjects->store, "SELECT refusals, refused_ms FROM subjects WHERE subject = ?");
    *state = (struct subject_state){0};
    query_bind_text(&query, subject);
    if (query_row(&query)) {
        state->refusals = (unsigned)query_integer(&query);
        state->refused_ms = (uint64_t)query_integer(&query);
    }
    state->disabled = state->refusals >= subjects->options.refusals_max;
    return query_close(&query, err);
}

static enum status count_pending(struct subjects *subjects, const char *subject, uint64_t now_ms,
                                 unsigned *pending, struct error *err) {
    struct query query =
        query_open(subjects->store, "SELECT count(*) FROM tries WHERE subject = ? AND holders > 0"
                                    " AND begun_ms > ?");
    query_bind_text(&query, subject);
    query_bind_integer(&query, (int64_t)now_ms - SUBJECT_TRY_MS_MAX);
    *pending = query_row(&query) ? (unsigned)query_integer(&query) : 0;
    return query_close(&query, err);
}

/* Beyond the free ones, one at a time. A try under way may match yet: that a further one must wait
 * for it is worth a second, and the wait after a refusal is counted from the refusal. */
static unsigned wait_of(const struct subjects *subjects, const struct subject_state *state,
                        unsigned pending, uint64_t now_ms) {
    uint64_t due_ms = state->refused_ms + subjects->options.wait_s * UINT64_C(1000);
    if (state->refusals + pending < subjects->options.free_max)
        return 0;
    if (state->refusals >= subjects->options.free_max && now_ms >= state->refused_ms &&
        now_ms < due_ms)
        return (unsigned)((due_ms - now_ms + 999) / 1000);
    return pending > 0 ? 1 : 0;
}

/* ---- a try ---- */

struct earlier {
    bool exists;
    int64_t number;
    unsigned holders;
};

static enum status find_earlier(struct subjects *subjects, const char *subject, const char *request,
                                uint64_t now_ms, struct earlier *earlier, struct error *err) {
    struct query query =
        query_open(subjects->store, "SELECT number, holders FROM tries"
                                    " WHERE subject = ? AND request = ? AND request <> ''"
                                    " AND begun_ms > iif(holders > 0, ?, ?)");
    query_bind_text(&query, subject);
    query_bind_text(&query, request);
    query_bind_integer(&query, (int64_t)now_ms - SUBJECT_TRY_MS_MAX);
    query_bind_integer(&query, (int64_t)now_ms - SUBJECT_RETRY_MS);
    earlier->exists = query_row(&query);
    if (earlier->exists) {
        earlier->number = query_integer(&query);
        earlier->holders = (unsigned)query_integer(&query);
    }
    return query_close(&query, err);
}

static enum status join(struct subjects *subjects, const struct earlier *earlier,
                        struct subject_try *made, struct error *err) {
    made->number = earlier->number;
    made->is_retry = earlier->holders == 0;
    if (made->is_retry)
        return STATUS_OK;
    struct query query =
        query_open(subjects->store, "UPDATE tries SET holders = holders + 1 WHERE number = ?");
    query_bind_integer(&query, earlier->number);
    return query_run(&query, NULL, err);
}

/* An older try with the same digest, which is no longer told, gives its place up. */
static enum status note(struct subjects *subjects, const char *request, uint64_t now_ms,
                        struct subject_try *made, struct error *err) {
    struct query query =
        query_open(subjects->store, "INSERT OR REPLACE INTO tries"
                                    " (subject, request, begun_ms, holders) VALUES (?, ?, ?, 1)"
                                    " RETURNING number");
    query_bind_text(&query, made->subject);
    query_bind_text(&query, request);
    query_bind_integer(&query, (int64_t)now_ms);
    if (query_row(&query))
        made->number = query_integer(&query);
    return query_run(&query, NULL, err);
}

static enum status refuse(const struct subjects *subjects, const struct subject_state *state,
                          unsigned wait_s, struct error *err) {
    if (state->disabled)
        return error_set(err, STATUS_SUBJECT_DISABLED,
                         "The subject was refused %u times in a row; verify it by other means. An "
                         "operator can lift this.",
                         state->refusals);
    if (state->refusals >= subjects->options.free_max)
        return error_set(err, STATUS_SUBJECT_LOCKED,
                         "The subject was refused %u times in a row; each further try must wait "
                         "%u s. Try again after Retry-After seconds (%u).",
                         state->refusals, subjects->options.wait_s, wait_s);
    return error_set(err, STATUS_SUBJECT_LOCKED,
                     "As many tries of the subject are under way as it may have; try again after "
                     "Retry-After seconds (%u).",
                     wait_s);
}

enum status subjects_try(struct subjects *subjects, const char *subject, size_t size,
                         const uint8_t request[SUBJECT_REQUEST_BYTES], struct subject_try *made,
                         unsigned *wait_s, struct error *err) {
    char digest[SUBJECT_HASH_SIZE] = "";
    uint64_t now_ms = subjects->store->now_ms();
    struct subject_state state;
    struct earlier earlier = {0};
    unsigned pending = 0;
    *made = (struct subject_try){0};
    hash(subjects, "subject", subject, size, made->subject);
    if (request)
        hash(subjects, "request", request, SUBJECT_REQUEST_BYTES, digest);
    enum status status = read_state(subjects, made->subject, &state, err);
    if (status == STATUS_OK)
        status = count_pending(subjects, made->subject, now_ms, &pending, err);
    if (status == STATUS_OK)
        status = find_earlier(subjects, made->subject, digest, now_ms, &earlier, err);
    if (status != STATUS_OK)
        return status;
    *wait_s = wait_of(subjects, &state, pending, now_ms);
    if (state.disabled || (*wait_s > 0 && !earlier.exists))
        return refuse(subjects, &state, *wait_s, err);
    return earlier.exists ? join(subjects, &earlier, made, err)
                          : note(subjects, digest, now_ms, made, err);
}

/* ---- its end ---- */

/* A pending try is decided now; *first: nobody has decided it before. One that is not there any
 * more, since it took longer than a try is kept, has not been decided either. */
static enum status settle(struct subjects *subjects, const struct subject_try *made, bool *first,
                          struct error *err) {
    struct query query =
        query_open(subjects->store, "SELECT holders, request FROM tries WHERE number = ?");
    char request[SUBJECT_HASH_SIZE] = "";
    query_bind_integer(&query, made->number);
    bool exists = query_row(&query);
    *first = !exists || query_integer(&query) > 0;
    if (exists)
        query_text(&query, request, sizeof request);
    enum status status = query_close(&query, err);
    if (status != STATUS_OK || !exists)
        return status;
    query = query_open(subjects->store, request[0] ? "UPDATE tries SET holders = 0 WHERE number = ?"
                                                   : "DELETE FROM tries WHERE number = ?");
    query_bind_integer(&query, made->number);
    return query_run(&query, NULL, err);
}

static enum status count_refusal(struct subjects *subjects, const char *subject, unsigned *refusals,
                                 struct error *err) {
    struct query query =
        query_open(subjects->store, "INSERT INTO subjects (subject, refusals, refused_ms)"
                                    " VALUES (?, 1, ?) ON CONFLICT (subject) DO UPDATE"
                                    " SET refusals = refusals + 1, refused_ms = "
                                    "excluded.refused_ms RETURNING refusals");
    query_bind_text(&query, subject);
    query_bind_integer(&query, (int64_t)subjects->store->now_ms());
    if (query_row(&query))
        *refusals = (unsigned)query_integer(&query);
    return query_run(&query, NULL, err);
}

static enum status forget(struct subjects *subjects, const char *subject, unsigned refusals_max,
                          struct error *err) {
    struct query query =
        query_open(subjects->store, "DELETE FROM subjects WHERE subject = ? AND refusals < ?");
    query_bind_text(&query, subject);
    query_bind_integer(&query, refusals_max);
    return query_run(&query, NULL, err);
}

static enum status let_go(struct subjects *subjects, const struct subject_try *made,
                          struct error *err) {
    struct query query = query_open(
        subjects->store, "UPDATE tries SET holders = holders - 1 WHERE number = ? AND holders > 1");
    int changed = 0;
    query_bind_integer(&query, made->number);
    enum status status = query_run(&query, &changed, err);
    if (status != STATUS_OK || changed > 0)
        return status;
    query = query_open(subjects->store, "DELETE FROM tries WHERE number = ? AND holders = 1");
    query_bind_integer(&query, made->number);
    return query_run(&query, NULL, err);
}

enum status subjects_decide(struct subjects *subjects, const struct subject_try *made,
                            enum subject_outcome outcome, unsigned *refusals, struct error *err) {
    bool first = false;
    *refusals = 0;
    if (made->is_retry)
        return STATUS_OK;
    if (outcome == SUBJECT_UNDECIDED)
        return let_go(subjects, made, err);
    enum status status = settle(subjects, made, &first, err);
    if (status != STATUS_OK || !first)
        return status;
    return outcome == SUBJECT_REFUSED
               ? count_refusal(subjects, made->subject, refusals, err)
               : forget(subjects, made->subject, subjects->options.refusals_max, err);
}

/* ---- what an operator asks ---- */

enum status subjects_look(struct subjects *subjects, const char *subject, size_t size,
                          struct subject_state *state, struct error *err) {
    char text[SUBJECT_HASH_SIZE];
    uint64_t now_ms = subjects->store->now_ms();
    unsigned pending = 0;
    hash(subjects, "subject", subject, size, text);
    enum status status = read_state(subjects, text, state, err);
    if (status == STATUS_OK)
        status = count_pending(subjects, text, now_ms, &pending, err);
    if (status == STATUS_OK && !state->disabled)
        state->wait_s = wait_of(subjects, state, pending, now_ms);
    return status;
}

enum status subjects_lift(struct subjects *subjects, const char *subject, size_t size,
                          struct subject_state *state, struct error *err) {
    char text[SUBJECT_HASH_SIZE];
    enum status status = subjects_look(subjects, subject, size, state, err);
    if (status != STATUS_OK)
        return status;
    hash(subjects, "subject", subject, size, text);
    return forget(subjects, text, UINT32_MAX, err);
}

/* ---- bounds ---- */

/* sql: with three parameters, the last of them how many rows at most. *more: SWEEP_ROWS were
 * removed. */
static enum status remove_rows(struct subjects *subjects, const char *sql, int64_t first,
                               int64_t second, int64_t limit, bool *more, struct error *err) {
    struct query query = query_open(subjects->store, sql);
    int removed = 0;
    query_bind_integer(&query, first);
    query_bind_integer(&query, second);
    query_bind_integer(&query, limit < SWEEP_ROWS ? limit : SWEEP_ROWS);
    enum status status = query_run(&query, &removed, err);
    *more = removed == SWEEP_ROWS;
    return status;
}

static enum status remove_tries(struct subjects *subjects, bool *more, struct error *err) {
    static const char sql[] = "DELETE FROM tries WHERE number IN (SELECT number FROM tries"
                              " WHERE begun_ms BETWEEN ? AND ? ORDER BY begun_ms LIMIT ?)";
    int64_t until_ms = (int64_t)subjects->store->now_ms() - SUBJECT_RETRY_MS;
    return remove_rows(subjects, sql, 0, until_ms, SWEEP_ROWS, more, err);
}

/* Of those that were not disabled, the ones refused longest ago first. */
static enum status remove_refused(struct subjects *subjects, int64_t until_ms, int64_t limit,
                                  bool *more, struct error *err) {
    static const char sql[] = "DELETE FROM subjects WHERE subject IN (SELECT subject FROM subjects"
                              " WHERE refusals < ? AND refused_ms < ? ORDER BY refused_ms LIMIT ?)";
    return remove_rows(subjects, sql, subjects->options.refusals_max, until_ms, limit, more, err);
}

static enum status remove_surplus(struct subjects *subjects, bool *more, struct error *err) {
    struct query query = query_open(subjects->store, "SELECT count(*) FROM subjects");
    int64_t surplus = query_row(&query) ? query_integer(&query) : 0;
    surplus -= (int64_t)subjects->options.rows_max;
    enum status status = query_close(&query, err);
    return status == STATUS_OK && surplus > 0
               ? remove_refused(subjects, INT64_MAX, surplus, more, err)
               : status;
}

/* One after the other: while there is more of one kind the next, and its count of all rows, waits
 * for a further call. */
enum status subjects_sweep(struct subjects *subjects, bool *more, struct error *err) {
    int64_t until_ms = (int64_t)subjects->store->now_ms() - (int64_t)subjects->options.keep_ms;
    *more = false;
    enum status status = remove_tries(subjects, more, err);
    if (status == STATUS_OK && !*more)
        status = remove_refused(subjects, until_ms, SWEEP_ROWS, more, err);
    if (status == STATUS_OK && !*more)
        status = remove_surplus(subjects, more, err);
    return status;
}
