/* What a runner tells: the job's row as of now, and an event for those who follow, both or
 * neither. */
#include "model/store/inside.h"

#include <stdlib.h>

/* *news: true before; false: all this was told before, and is no event. */
typedef enum status written(struct store *store, const struct job_row *row, const void *what,
                            bool *news, struct error *err);

/* data: the event's text, taken. */
static enum status tell(struct store *store, const struct store_claim *claim, enum event_type type,
                        char *data, written *how, const void *what, struct error *err) {
    struct job_row row;
    enum status status = store_begin(store, err);
    if (status == STATUS_OK) {
        bool news = true;
        status = claim_find(store, claim, &row, err);
        if (status == STATUS_OK && how)
            status = how(store, &row, what, &news, err);
        if (status == STATUS_OK && news)
            status = event_append(store, row.sequence, type, data, err);
        status = store_end(store, status, err);
    }
    free(data);
    return status;
}

/* ---- progress ---- */

struct progress {
    unsigned epoch, step, steps;
    double eta_s;
};

static enum status write_progress(struct store *store, const struct job_row *row, const void *what,
                                  bool *news, struct error *err) {
    (void)news;
    const struct progress *progress = what;
    struct query query = query_open(
        store, "UPDATE jobs SET epoch = ?, step = ?, steps = ?, eta_s = ? WHERE sequence = ?");
    query_bind_integer(&query, progress->epoch);
    query_bind_integer(&query, progress->step);
    query_bind_integer(&query, progress->steps);
    query_bind_real(&query, progress->eta_s);
    query_bind_integer(&query, row->sequence);
    return query_run(&query, NULL, err);
}

enum status store_claim_progress(struct store *store, const struct store_claim *claim,
                                 unsigned epoch, unsigned step, unsigned steps, double eta_s,
                                 struct error *err) {
    const struct progress progress = {epoch, step, steps, eta_s};
    struct json_writer *writer = event_open();
    if (writer) {
        json_write_integer(writer, "epoch", epoch);
        json_write_integer(writer, "step", step);
        json_write_integer(writer, "steps", steps);
        json_write_short(writer, "eta_s", eta_s);
    }
    return tell(store, claim, EVENT_PROGRESS, writer ? event_close(writer) : NULL, write_progress,
                &progress, err);
}

/* ---- metrics ---- */

struct metrics {
    unsigned epoch, best_epoch;
    double train_loss, validation_loss, best_validation_loss;
};

static enum status write_losses(struct store *store, const struct job_row *row,
                                const struct metrics *metrics, struct error *err) {
    struct query query = query_open(
        store, "INSERT OR REPLACE INTO losses (job, epoch, train, validation) VALUES (?, ?, ?, ?)");
    query_bind_integer(&query, row->sequence);
    query_bind_integer(&query, metrics->epoch);
    query_bind_real(&query, metrics->train_loss);
    query_bind_real(&query, metrics->validation_loss);
    return query_run(&query, NULL, err);
}

/* A run that goes on from a checkpoint tells its earlier epochs again. */
static enum status is_known(struct store *store, const struct job_row *row,
                            const struct metrics *metrics, bool *known, struct error *err) {
    struct query query = query_open(
        store,
        "SELECT 1 FROM losses WHERE job = ? AND epoch = ? AND train IS ? AND validation IS ?");
    query_bind_integer(&query, row->sequence);
    query_bind_integer(&query, metrics->epoch);
    query_bind_real(&query, metrics->train_loss);
    query_bind_real(&query, metrics->validation_loss);
    *known = query_row(&query);
    return query_close(&query, err);
}

static enum status write_metrics(struct store *store, const struct job_row *row, const void *what,
                                 bool *news, struct error *err) {
    const struct metrics *metrics = what;
    bool known;
    enum status status = is_known(store, row, metrics, &known, err);
    if (status != STATUS_OK)
        return status;
    *news = !known;
    if (known)
        return STATUS_OK;
    status = write_losses(store, row, metrics, err);
    if (status != STATUS_OK)
        return status;
    struct query query = query_open(
        store, "UPDATE jobs SET best_epoch = ?, best_validation_loss = ? WHERE sequence = ?");
    query_bind_integer(&query, metrics->best_epoch);
    query_bind_real(&query, metrics->best_validation_loss);
    query_bind_integer(&query, row->sequence);
    return query_run(&query, NULL, err);
}

enum status store_claim_metrics(struct store *store, const struct store_claim *claim,
                                unsigned epoch, double train_loss, double validation_loss,
                                unsigned best_epoch, double best_validation_loss,
                                struct error *err) {
    const struct metrics metrics = {epoch, best_epoch, train_loss, validation_loss,
                                    best_validation_loss};
    struct json_writer *writer = event_open();
    if (writer) {
        json_write_integer(writer, "epoch", epoch);
        json_write_real(writer, "train_loss", train_loss);
        json_write_real(writer, "validation_loss", validation_loss);
        json_write_object(writer, "best");
        json_write_integer(writer, "epoch", best_epoch);
        json_write_real(writer, "validation_loss", best_validation_loss);
        json_write_end(writer);
    }
    return tell(store, claim, EVENT_METRICS, writer ? event_close(writer) : NULL, write_metrics,
                &metrics, err);
}

/* ---- checkpoints ---- */

static enum status forget_checkpoints(struct store *store, const struct job_row *row,
                                      struct error *err) {
    struct query query =
        query_open(store, "DELETE FROM checkpoints WHERE job = ?1 AND number NOT IN (SELECT number"
                          " FROM checkpoints WHERE job = ?1 ORDER BY number DESC LIMIT ?2)");
    query_bind_integer(&query, row->sequence);
    query_bind_integer(&query, STORE_CHECKPOINTS_MAX);
    return query_run(&query, NULL, err);
}

static enum status write_checkpoint(struct store *store, const struct job_row *row,
                                    const void *what, bool *news, struct error *err) {
    (void)news;
    const struct store_checkpoint *checkpoint = what;
    struct query query =
        query_open(store, "INSERT INTO checkpoints (job, epoch, step, file, bytes, created_ms,"
                          " validation_loss) VALUES (?, ?, ?, ?, ?, ?, ?)");
    query_bind_integer(&query, row->sequence);
    query_bind_integer(&query, checkpoint->epoch);
    query_bind_integer(&query, checkpoint->step);
    query_bind_text(&query, checkpoint->file);
    query_bind_integer(&query, (int64_t)checkpoint->bytes);
    query_bind_integer(&query, (int64_t)store->now_ms());
    query_bind_real(&query, checkpoint->validation_loss);
    enum status status = query_run(&query, NULL, err);
    return status == STATUS_OK ? forget_checkpoints(store, row, err) : status;
}

enum status store_claim_checkpoint(struct store *store, const struct store_claim *claim,
                                   const struct store_checkpoint *checkpoint, struct error *err) {
    struct json_writer *writer = event_open();
    if (writer) {
        json_write_integer(writer, "epoch", checkpoint->epoch);
        json_write_integer(writer, "step", checkpoint->step);
        json_write_integer(writer, "bytes", (int64_t)checkpoint->bytes);
        json_write_real(writer, "validation_loss", checkpoint->validation_loss);
    }
    return tell(store, claim, EVENT_CHECKPOINT, writer ? event_close(writer) : NULL,
                write_checkpoint, checkpoint, err);
}

/* ---- the rest ---- */

enum status store_claim_log(struct store *store, const struct store_claim *claim, const char *text,
                            struct error *err) {
    struct json_writer *writer = event_open();
    if (writer)
        json_write_text(writer, "text", text);
    return tell(store, claim, EVENT_LOG, writer ? event_close(writer) : NULL, NULL, NULL, err);
}

enum status store_claim_evaluating(struct store *store, const struct store_claim *claim,
                                   struct error *err) {
    struct job_row row;
    enum status status = store_begin(store, err);
    if (status != STATUS_OK)
        return status;
    status = claim_find(store, claim, &row, err);
    if (status == STATUS_OK && row.state == JOB_RUNNING)
        status = job_move(store, &row, JOB_EVALUATING, err);
    return store_end(store, status, err);
}
