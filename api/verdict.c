#include "api/verdict.h"

#include "api/audit.h"
#include "api/model_json.h"
#include "server/journal.h"
#include "server/wipe.h"

#include <math.h>

bool verdict_choose_rule(struct work *work, struct verdict *verdict) {
    const struct request_options *options = &work->body.options;
    if (options->given[OPTION_THRESHOLD]) {
        verdict->decision = decision_by_threshold(options->threshold);
        return true;
    }
    double max_fmr =
        options->given[OPTION_MAX_FMR] ? options->max_fmr : work->service->options.default_max_fmr;
    struct error err;
    enum status status =
        decision_by_max_fmr(&work->version->card, max_fmr, &verdict->decision, &err);
    if (status != STATUS_OK)
        work_reply_fault(work, status, "max_fmr", &err);
    return status == STATUS_OK;
}

bool verdict_reach(struct work *work, const float *a, const float *b, struct verdict *verdict) {
    verdict->distance = decision_distance(a, b, work->version->card.embedding_length);
    if (!isfinite(verdict->distance)) {
        work_reply_fault(work, STATUS_INTERNAL, NULL,
                         &(struct error){"the distance of two embeddings is not finite"});
        return false;
    }
    verdict->verified = decision_verified(&verdict->decision, verdict->distance);
    return true;
}

/* ---- telling ---- */

static void write_rate(struct json_writer *json, const char *name, bool known, double value,
                       struct interval interval) {
    if (!known) {
        json_write_null(json, name);
        return;
    }
    json_write_object(json, name);
    json_write_short(json, "value", value);
    json_write_short(json, "low", interval.low);
    json_write_short(json, "high", interval.high);
    json_write_end(json);
}

static void write_decision(struct json_writer *json, const struct work *work,
                           const struct decision *decision) {
    const bool *given = work->body.options.given;
    bool by_threshold = decision->rule == DECISION_THRESHOLD;
    bool requested = given[OPTION_THRESHOLD] || given[OPTION_MAX_FMR];
    json_write_object(json, "decision");
    json_write_text(json, "rule", by_threshold ? "threshold" : "max_fmr");
    json_write_text(json, "source", requested ? "request" : "default");
    if (by_threshold)
        json_write_null(json, "max_fmr");
    else
        json_write_short(json, "max_fmr", decision->max_fmr);
    struct error_rates_point rates = {0};
    bool known = decision_rates(&work->version->card, decision->threshold, &rates);
    write_rate(json, "fmr", known, rates.fmr, rates.fmr_interval);
    write_rate(json, "fnmr", known, rates.fnmr, rates.fnmr_interval);
    json_write_end(json);
}

static void write_evidence(struct json_writer *json, const struct work *work, double distance) {
    double prior = work->body.options.prior;
    struct decision_evidence evidence;
    if (decision_evidence(&work->version->card, distance, prior, &evidence)) {
        json_write_short(json, "probability", evidence.probability);
        json_write_short(json, "log_likelihood_ratio", evidence.log_likelihood_ratio);
    } else {
        json_write_null(json, "probability");
        json_write_null(json, "log_likelihood_ratio");
    }
    json_write_short(json, "prior", prior);
}

static void write_model(struct json_writer *json, const struct card *card) {
    json_write_object(json, "model");
    json_write_text(json, "name", card->name);
    json_write_text(json, "version", card->version);
    model_metrics_write(json, "metrics", card);
    json_write_end(json);
}

void verdict_write(struct json_writer *json, const struct work *work,
                   const struct verdict *verdict) {
    const struct card *card = &work->version->card;
    json_write_bool(json, "verified", verdict->verified);
    json_write_float(json, "distance", (float)verdict->distance);
    json_write_text(json, "metric", card->distance);
    json_write_short(json, "threshold", verdict->decision.threshold);
    write_decision(json, work, &verdict->decision);
    write_evidence(json, work, verdict->distance);
    write_model(json, card);
}

void verdict_write_warnings(struct json_writer *json, const struct work *work, const char *more) {
    const struct request_options *options = &work->body.options;
    json_write_array(json, "warnings");
    if (options->given[OPTION_THRESHOLD] && !options->version_named)
        json_write_text(json, NULL, "threshold_without_version");
    if (options->given[OPTION_SUBJECT] && !work->service->lockout)
        json_write_text(json, NULL, "subject_not_counted");
    if (more)
        json_write_text(json, NULL, more);
    json_write_end(json);
}

static void observe(const struct work *work, const struct verdict *verdict) {
    struct metrics *metrics = work->service->metrics;
    const struct card *card = &work->version->card;
    metrics_observe(metrics, METRIC_DISTANCE, verdict->distance, card->name, card->version);
    metrics_add(metrics, METRIC_VERIFICATIONS, 1, card->name, card->version,
                verdict->decision.rule == DECISION_THRESHOLD ? "threshold" : "max_fmr",
                verdict->verified ? "same" : "different");
}

void verdict_answer(struct work *work, const struct verdict *verdict, char *text, size_t size,
                    const struct timing *timings) {
    if (text && !audit_decision(work, verdict)) {
        bool memory = journal_ready(work->service->journal); /* the disk is not what is missing */
        wipe_and_free(text);
        work_reply_fault(work, memory ? STATUS_INTERNAL : STATUS_STORAGE_FULL, NULL,
                         &(struct error){"the decision could not be recorded"});
        return;
    }
    if (text)
        observe(work, verdict);
    work_answer(work, text, size, timings);
}
