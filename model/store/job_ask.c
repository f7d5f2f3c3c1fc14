/* Cancel, pause, resume. */
#include "model/store/inside.h"

typedef enum status asked(struct store *store, struct job_row *row, struct error *err);

static enum status ask(struct store *store, const char *id, asked *how, struct error *err) {
    struct job_row row;
    enum status status = store_begin(store, err);
    if (status != STATUS_OK)
        return status;
    status = job_find(store, id, &row, err);
    if (status == STATUS_OK)
        status = how(store, &row, err);
    return store_end(store, status, err);
}

static enum status refuse(const struct job_row *row, const char *allowed, struct error *err) {
    return error_set(err, STATUS_WRONG_STATE, "The job is %s; %s", job_state_word(row->state),
                     allowed);
}

static enum status cancel(struct store *store, struct job_row *row, struct error *err) {
    bool has_runner = row->state != JOB_QUEUED;
    if (row->state == JOB_CANCELLING)
        return STATUS_OK;
    if (!job_state_may_become(row->state, JOB_CANCELLING))
        return refuse(row,
                      row->state == JOB_PAUSED ? "resume it first, then cancel it."
                                               : "what has ended stays as it is.",
                      err);
    enum status status = job_move(store, row, JOB_CANCELLING, err);
    if (status == STATUS_OK && !has_runner)
        status = job_move(store, row, JOB_CANCELLED, err);
    return status;
}

enum status store_job_cancel(struct store *store, const char *id, struct error *err) {
    return ask(store, id, cancel, err);
}

static enum status wish_pause(struct store *store, const struct job_row *row, bool wished,
                              struct error *err) {
    struct query query = query_open(store, "UPDATE jobs SET pause_wished = ? WHERE sequence = ?");
    query_bind_integer(&query, wished);
    query_bind_integer(&query, row->sequence);
    return query_run(&query, NULL, err);
}

static enum status pause_job(struct store *store, struct job_row *row, struct error *err) {
    if (row->state == JOB_PAUSED)
        return STATUS_OK;
    if (row->state != JOB_RUNNING)
        return refuse(row, "only one that is running can be paused.", err);
    return wish_pause(store, row, true, err);
}

enum status store_job_pause(struct store *store, const char *id, struct error *err) {
    return ask(store, id, pause_job, err);
}

static enum status resume(struct store *store, struct job_row *row, struct error *err) {
    if (row->state != JOB_PAUSED && row->state != JOB_RUNNING && row->state != JOB_QUEUED)
        return refuse(row, "only one that is paused can be resumed.", err);
    enum status status = wish_pause(store, row, false, err);
    if (status == STATUS_OK && row->state == JOB_PAUSED)
        status = job_move(store, row, JOB_QUEUED, err);
    return status;
}

enum status store_job_resume(struct store *store, const char *id, struct error *err) {
    return ask(store, id, resume, err);
}
