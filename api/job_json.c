#include "api/job_json.h"

#include "api/dataset_json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static json_t *text_json(const char *text) { return text[0] ? json_string(text) : json_null(); }

static json_t *real_json(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t *losses_json(const double *losses, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, real_json(losses[i]));
    return list;
}

static json_t *progress_json(const struct store_job *job) {
    if (job->progress.steps == 0)
        return json_null();
    double eta_s = job->progress.eta_s;
    return json_pack("{s:i, s:i, s:i, s:o}", "epoch", (int)job->progress.epoch, "step",
                     (int)job->progress.step, "steps", (int)job->progress.steps, "eta_s",
                     eta_s >= 0 ? real_json(eta_s) : json_null());
}

static json_t *best_json(const struct store_job *job) {
    return job->best.epoch ? json_pack("{s:i, s:o}", "epoch", (int)job->best.epoch,
                                       "validation_loss", real_json(job->best.validation_loss))
                           : json_null();
}

static json_t *result_json(const struct store_job *job, bool whole) {
    if (!job->result.version[0])
        return json_null();
    bool compares = job->kind == JOB_FINE_TUNE;
    json_t *result =
        json_pack("{s:s, s:s, s:o}", "model", job->result.model, "version", job->result.version,
                  "better", compares ? json_boolean(job->result.better) : json_null());
    if (result && whole) {
        json_t *evaluation =
            job->result.evaluation ? json_loads(job->result.evaluation, 0, NULL) : NULL;
        (void)json_object_set_new(result, "evaluation", evaluation ? evaluation : json_null());
    }
    return result;
}

static json_t *promotion_json(const struct store_job *job) {
    return json_pack("{s:s, s:o}", "status", promotion_state_word(job->promotion), "reason",
                     text_json(job->promotion_reason));
}

static json_t *error_json(const struct store_job *job) {
    return job->error.code[0]
               ? json_pack("{s:s, s:s}", "code", job->error.code, "message", job->error.message)
               : json_null();
}

/* What was asked for: every member of the body, defaults filled in, but those that are told as they
 * were when the job was created. */
static void add_spec(json_t *root, const char *spec) {
    json_t *members = spec ? json_loads(spec, 0, NULL) : NULL;
    const char *name;
    json_t *member;
    json_object_foreach(members, name, member) {
        if (!json_object_get(root, name))
            (void)json_object_set(root, name, member);
    }
    json_decref(members);
}

json_t *job_json(const struct store_job *job, bool whole) {
    char base[STORE_NAME_SIZE + 1 + STORE_VERSION_SIZE];
    snprintf(base, sizeof base, "%s@%s", job->base_model, job->base_version);
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:o, s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
        job->id, "object", job_kind_word(job->kind), "status", job_state_word(job->state),
        "created_at", time_json(job->created_ms), "started_at", time_json(job->started_ms),
        "finished_at", time_json(job->finished_ms), "attempt", (int)job->attempt, "base_model",
        base, "dataset", text_json(job->dataset), "dataset_sha256", text_json(job->dataset_sha256),
        "resume_from", text_json(job->resume_from), "progress", progress_json(job), "best",
        best_json(job), "result", result_json(job, whole), "promotion", promotion_json(job),
        "error", error_json(job));
    if (!root)
        return NULL;
    if (whole) {
        (void)json_object_set_new(root, "train_loss", losses_json(job->train_loss, job->epochs));
        (void)json_object_set_new(root, "validation_loss",
                                  losses_json(job->validation_loss, job->epochs));
    }
    add_spec(root, job->spec);
    return root;
}

json_t *event_json(const struct store_event *event) {
    json_t *data = json_loads(event->data, 0, NULL);
    return json_pack("{s:I, s:s, s:o, s:o}", "id", (json_int_t)event->number, "event",
                     event_type_word(event->type), "at", time_json(event->at_ms), "data",
                     data ? data : json_null());
}

json_t *checkpoint_json(const struct store_checkpoint *checkpoint) {
    return json_pack("{s:i, s:i, s:s, s:I, s:o, s:o}", "epoch", (int)checkpoint->epoch, "step",
                     (int)checkpoint->step, "file", checkpoint->file, "bytes",
                     (json_int_t)checkpoint->bytes, "created_at", time_json(checkpoint->created_ms),
                     "validation_loss", real_json(checkpoint->validation_loss));
}
