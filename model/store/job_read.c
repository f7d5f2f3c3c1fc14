#include "model/store/inside.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_words[JOB_KINDS_COUNT] = {"fine_tune", "evaluation", "calibration"};
static const char *const kind_prefixes[JOB_KINDS_COUNT] = {UID_FINE_TUNE, UID_EVALUATION,
                                                           UID_CALIBRATION};
static const char *const promotion_words[PROMOTION_STATES_COUNT] = {
#define X(name, word) [PROMOTION_##name] = (word),
    PROMOTION_STATES(X)
#undef X
};

const char *job_kind_word(enum job_kind kind) {
    assert(kind < JOB_KINDS_COUNT);
    return kind_words[kind];
}

const char *job_kind_prefix(enum job_kind kind) {
    assert(kind < JOB_KINDS_COUNT);
    return kind_prefixes[kind];
}

const char *promotion_state_word(enum promotion_state state) {
    assert(state < PROMOTION_STATES_COUNT);
    return promotion_words[state];
}

void store_job_release(struct store_job *job) {
    free(job->spec);
    free(job->train_loss);
    free(job->validation_loss);
    free(job->result.evaluation);
    *job = (struct store_job){0};
}

void store_jobs_release(struct store_job *jobs, size_t count) {
    for (size_t i = 0; i < count; i++)
        store_job_release(&jobs[i]);
    free(jobs);
}

/* The index of the word; a word that this program does not know is the first. */
static unsigned index_of(const char *word, const char *const *words, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    return 0;
}

#define COLUMNS                                                                                    \
    "sequence, id, kind, state, created_ms, started_ms, finished_ms, computed_ms, attempt,"        \
    " pause_wished, base_model, base_version, dataset, dataset_sha256, resume_from, spec, epoch, " \
    "step, steps,"                                                                                 \
    " eta_s, best_epoch, best_validation_loss, result_model, result_version, result_evaluation,"   \
    " error_code, error_message, better, promotion, promotion_reason"
#define TEXT(field) query_text(query, field, sizeof(field))

/* A row of COLUMNS; returns its sequence number. */
static int64_t read_row(struct query *query, struct store_job *job) {
    char word[16];
    int64_t sequence = query_integer(query);
    TEXT(job->id);
    TEXT(word);
    job->kind = (enum job_kind)index_of(word, kind_words, JOB_KINDS_COUNT);
    TEXT(word);
    (void)job_state_parse(word, &job->state);
    job->created_ms = (uint64_t)query_integer(query);
    job->started_ms = (uint64_t)query_integer(query);
    job->finished_ms = (uint64_t)query_integer(query);
    job->computed_ms = (uint64_t)query_integer(query);
    job->attempt = (unsigned)query_integer(query);
    job->pause_wished = query_integer(query) != 0;
    TEXT(job->base_model);
    TEXT(job->base_version);
    TEXT(job->dataset);
    TEXT(job->dataset_sha256);
    TEXT(job->resume_from);
    job->spec = query_text_copy(query);
    job->progress.epoch = (unsigned)query_integer(query);
    job->progress.step = (unsigned)query_integer(query);
    job->progress.steps = (unsigned)query_integer(query);
    job->progress.eta_s = query_real(query);
    job->best.epoch = (unsigned)query_integer(query);
    job->best.validation_loss = query_real(query);
    TEXT(job->result.model);
    TEXT(job->result.version);
    job->result.evaluation = query_text_copy(query);
    TEXT(job->error.code);
    TEXT(job->error.message);
    job->result.better = query_integer(query) != 0;
    TEXT(word);
    job->promotion = (enum promotion_state)index_of(word, promotion_words, PROMOTION_STATES_COUNT);
    TEXT(job->promotion_reason);
    return sequence;
}

static enum status count_losses(struct store *store, int64_t sequence, size_t *count,
                                struct error *err) {
    struct query query = query_open(store, "SELECT count(*) FROM losses WHERE job = ?");
    query_bind_integer(&query, sequence);
    *count = query_row(&query) ? (size_t)query_integer(&query) : 0;
    return query_close(&query, err);
}

static enum status read_losses(struct store *store, int64_t sequence, struct store_job *job,
                               struct error *err) {
    size_t count;
    enum status status = count_losses(store, sequence, &count, err);
    if (status != STATUS_OK || count == 0)
        return status;
    job->train_loss = malloc(count * sizeof(double));
    job->validation_loss = malloc(count * sizeof(double));
    if (!job->train_loss || !job->validation_loss)
        return error_set(err, STATUS_INTERNAL, "out of memory for a job");
    struct query query =
        query_open(store, "SELECT train, validation FROM losses WHERE job = ? ORDER BY epoch");
    query_bind_integer(&query, sequence);
    for (job->epochs = 0; job->epochs < count && query_row(&query); job->epochs++) {
        job->train_loss[job->epochs] = query_real(&query);
        job->validation_loss[job->epochs] = query_real(&query);
    }
    return query_close(&query, err);
}

/* Rows of COLUMNS and their losses, at most `limit`; *more: there is one beyond. */
static enum status read_rows(struct store *store, struct query *query, struct store_job *jobs,
                             size_t limit, size_t *count, bool *more, struct error *err) {
    enum status status = STATUS_OK;
    *more = false;
    for (*count = 0; status == STATUS_OK && query_row(query);) {
        if (*count == limit) {
            *more = true;
            break;
        }
        struct store_job *job = &jobs[*count];
        *job = (struct store_job){0};
        int64_t sequence = read_row(query, job);
        ++*count;
        status = read_losses(store, sequence, job, err);
    }
    enum status closed = query_close(query, err);
    return status == STATUS_OK ? closed : status;
}

static enum status get(struct store *store, const char *id, struct store_job *job,
                       struct error *err) {
    struct query query = query_open(store, "SELECT " COLUMNS " FROM jobs WHERE id = ?");
    size_t count;
    bool more;
    query_bind_text(&query, id);
    enum status status = read_rows(store, &query, job, 1, &count, &more, err);
    if (status == STATUS_OK && count == 0)
        return error_set(err, STATUS_NOT_FOUND, "There is no job of this id.");
    return status;
}

enum status job_read(struct store *store, const char *id, struct store_job *job,
                     struct error *err) {
    *job = (struct store_job){0};
    enum status status = get(store, id, job, err);
    if (status != STATUS_OK)
        store_job_release(job);
    return status;
}

enum status store_job_get(struct store *store, const char *id, struct store_job *job,
                          struct error *err) {
    enum status status = store_begin_reading(store, err);
    return status == STATUS_OK ? store_end(store, job_read(store, id, job, err), err) : status;
}

/* ---- lists ---- */

/* An identifier sorts by its time, so the page after one that is gone is still there. */
static struct query list_query(struct store *store, const struct store_job_filter *filter) {
    struct query query =
        query_open(store, "SELECT " COLUMNS " FROM jobs WHERE kind = ?1 AND (?2 = '' OR state = ?2)"
                          " AND (?3 = '' OR dataset = ?3)"
                          " AND (?4 = '' OR base_model = ?4 OR result_model = ?4)"
                          " AND (?5 = '' OR id < ?5) ORDER BY id DESC LIMIT ?6");
    query_bind_text(&query, job_kind_word(filter->kind));
    query_bind_text(&query, filter->state ? job_state_word(*filter->state) : "");
    query_bind_text(&query, filter->dataset ? filter->dataset : "");
    query_bind_text(&query, filter->model ? filter->model : "");
    query_bind_text(&query, filter->after ? filter->after : "");
    query_bind_integer(&query, (int64_t)filter->limit + 1);
    return query;
}

enum status store_job_list(struct store *store, const struct store_job_filter *filter,
                           struct store_job **jobs, size_t *count, bool *has_more,
                           struct error *err) {
    assert(filter->limit > 0 && filter->limit <= STORE_PAGE_MAX);
    *count = 0;
    *jobs = calloc(filter->limit, sizeof **jobs);
    if (!*jobs)
        return error_set(err, STATUS_INTERNAL, "out of memory for a list of jobs");
    enum status status = store_begin_reading(store, err);
    if (status == STATUS_OK) {
        struct query query = list_query(store, filter);
        status = store_end(
            store, read_rows(store, &query, *jobs, filter->limit, count, has_more, err), err);
    }
    if (status != STATUS_OK) {
        store_jobs_release(*jobs, *count);
        *jobs = NULL;
        *count = 0;
    }
    return status;
}

enum status store_job_count(struct store *store, size_t counts[JOB_KINDS_COUNT][JOB_STATES_COUNT],
                            struct error *err) {
    struct query query =
        query_open(store, "SELECT kind, state, count(*) FROM jobs GROUP BY kind, state");
    memset(counts, 0, JOB_KINDS_COUNT * sizeof counts[0]);
    while (query_row(&query)) {
        char kind[16], word[16];
        enum job_state state;
        query_text(&query, kind, sizeof kind);
        query_text(&query, word, sizeof word);
        if (job_state_parse(word, &state))
            counts[index_of(kind, kind_words, JOB_KINDS_COUNT)][state] +=
                (size_t)query_integer(&query);
    }
    return query_close(&query, err);
}

static enum status read_checkpoints(struct store *store, const char *id,
                                    struct store_checkpoint *checkpoints, size_t *count,
                                    struct error *err) {
    struct job_row row;
    enum status status = job_find(store, id, &row, err);
    if (status != STATUS_OK)
        return status;
    struct query query =
        query_open(store, "SELECT epoch, step, file, bytes, created_ms, validation_loss"
                          " FROM checkpoints WHERE job = ? ORDER BY number DESC LIMIT ?");
    query_bind_integer(&query, row.sequence);
    query_bind_integer(&query, STORE_CHECKPOINTS_MAX);
    for (*count = 0; *count < STORE_CHECKPOINTS_MAX && query_row(&query); ++*count) {
        struct store_checkpoint *checkpoint = &checkpoints[*count];
        checkpoint->epoch = (unsigned)query_integer(&query);
        checkpoint->step = (unsigned)query_integer(&query);
        query_text(&query, checkpoint->file, sizeof checkpoint->file);
        checkpoint->bytes = (uint64_t)query_integer(&query);
        checkpoint->created_ms = (uint64_t)query_integer(&query);
        checkpoint->validation_loss = query_real(&query);
    }
    return query_close(&query, err);
}

enum status store_checkpoints(struct store *store, const char *id,
                              struct store_checkpoint **checkpoints, size_t *count,
                              struct error *err) {
    *checkpoints = calloc(STORE_CHECKPOINTS_MAX, sizeof **checkpoints);
    if (!*checkpoints)
        return error_set(err, STATUS_INTERNAL, "out of memory for a list of checkpoints");
    enum status status = store_begin_reading(store, err);
    if (status == STATUS_OK)
        status = store_end(store, read_checkpoints(store, id, *checkpoints, count, err), err);
    if (status != STATUS_OK) {
        free(*checkpoints);
        *checkpoints = NULL;
    }
    return status;
}
