/* From two embeddings to the 200 of POST /v1/verify. Reals are written with 9 significant digits:
 * enough to read any float32 back as itself. */
#include "api/verify.h"

#include "api/model_json.h"
#include "api/problem.h"
#include "server/clock.h"
#include "server/http/reply.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct timings {
    double receive, prepare, queue, embed, total; /* milliseconds */
};

static double between_ms(uint64_t from_us, uint64_t to_us) {
    return to_us > from_us ? (double)(to_us - from_us) / 1000.0 : 0.0;
}

static struct timings measure(const struct verify *verify) {
    uint64_t started_us = http_request_started_us(verify->request);
    uint64_t received_us = http_request_received_us(verify->request);
    const struct batch_pair *pair = &verify->pair;
    return (struct timings){
        .receive = between_ms(started_us, received_us),
        .prepare = between_ms(received_us, verify->prepared_us),
        .queue = between_ms(pair->queued_us, pair->started_us),
        .embed = between_ms(pair->started_us, pair->embedded_us),
        .total = between_ms(started_us, clock_monotonic_us()),
    };
}

static json_t *rate_json(double value, struct interval interval) {
    return json_pack("{s:f, s:f, s:f}", "value", value, "low", interval.low, "high", interval.high);
}

static json_t *decision_json(const struct verify *verify) {
    const bool *given = verify->body.options.given;
    bool by_threshold = verify->decision.rule == DECISION_THRESHOLD;
    json_t *max_fmr = by_threshold ? json_null() : json_real(verify->decision.max_fmr);
    struct error_rates_point rates;
    bool known = decision_rates(&verify->version->card, verify->decision.threshold, &rates);
    return json_pack(
        "{s:s, s:s, s:o, s:o, s:o}", "rule", by_threshold ? "threshold" : "max_fmr", "source",
        given[OPTION_THRESHOLD] || given[OPTION_MAX_FMR] ? "request" : "default", "max_fmr",
        max_fmr, "fmr", known ? rate_json(rates.fmr, rates.fmr_interval) : json_null(), "fnmr",
        known ? rate_json(rates.fnmr, rates.fnmr_interval) : json_null());
}

static json_t *point_json(const double point[2]) { return json_pack("[f, f]", point[0], point[1]); }

static json_t *face_json(const struct face *face) {
    const double(*points)[2] = face->landmarks;
    return json_pack("{s:{s:f, s:f, s:f, s:f}, s:s, s:f, s:{s:s, s:o, s:o, s:o, s:o, s:o}}", "box",
                     "x", face->x, "y", face->y, "width", face->width, "height", face->height,
                     "detector", "hog", "score", face->score, "landmarks", "scheme", "dlib5",
                     "left_eye_outer", point_json(points[FACE_LEFT_EYE_OUTER]), "left_eye_inner",
                     point_json(points[FACE_LEFT_EYE_INNER]), "right_eye_outer",
                     point_json(points[FACE_RIGHT_EYE_OUTER]), "right_eye_inner",
                     point_json(points[FACE_RIGHT_EYE_INNER]), "nose_base",
                     point_json(points[FACE_NOSE_BASE]));
}

static json_t *image_json(const struct verify_photo *photo) {
    const struct prepared *prepared = &photo->prepared;
    json_t *count = prepared->face.count ? json_integer(prepared->face.count) : json_null();
    return json_pack("{s:s, s:s, s:i, s:i, s:o, s:o}", "field", VERIFY_IMAGE_FIELDS[photo->index],
                     "format", image_format_name(prepared->info.format), "width",
                     (int)prepared->info.width, "height", (int)prepared->info.height, "face_count",
                     count, "face", face_json(&prepared->face));
}

static json_t *warnings_json(const struct verify *verify) {
    const struct verify_options *options = &verify->body.options;
    if (options->given[OPTION_THRESHOLD] && !options->version_named)
        return json_pack("[s]", "threshold_without_version");
    return json_array();
}

static json_t *answer_json(const struct verify *verify, double distance, bool verified,
                           const struct timings *timings) {
    const struct card *card = &verify->version->card;
    double prior = verify->body.options.prior;
    struct decision_evidence evidence;
    bool known = decision_evidence(card, distance, prior, &evidence);
    json_t *probability = known ? json_real(evidence.probability) : json_null();
    json_t *ratio = known ? json_real(evidence.log_likelihood_ratio) : json_null();
    return json_pack("{s:b, s:f, s:s, s:f, s:o, s:o, s:o, s:f, s:{s:s, s:s, s:o}, s:[o, o],"
                     " s:{s:f, s:f, s:f, s:f, s:f}, s:o}",
                     "verified", verified, "distance", (double)(float)distance, "metric",
                     card->distance, "threshold", verify->decision.threshold, "decision",
                     decision_json(verify), "probability", probability, "log_likelihood_ratio",
                     ratio, "prior", prior, "model", "name", card->name, "version", card->version,
                     "metrics", model_metrics_json(card), "images", image_json(&verify->photos[0]),
                     image_json(&verify->photos[1]), "timings_ms", "receive", timings->receive,
                     "prepare", timings->prepare, "queue", timings->queue, "embed", timings->embed,
                     "total", timings->total, "warnings", warnings_json(verify));
}

static void observe(const struct verify *verify, double distance, bool verified,
                    const struct timings *timings) {
    struct metrics *metrics = verify->service->metrics;
    const struct card *card = &verify->version->card;
    metrics_observe(metrics, METRIC_STAGE_DURATION, timings->receive / 1e3, "receive");
    metrics_observe(metrics, METRIC_STAGE_DURATION, timings->prepare / 1e3, "prepare");
    metrics_observe(metrics, METRIC_STAGE_DURATION, timings->queue / 1e3, "queue");
    metrics_observe(metrics, METRIC_STAGE_DURATION, timings->embed / 1e3, "embed");
    metrics_observe(metrics, METRIC_STAGE_DURATION, timings->total / 1e3, "total");
    metrics_observe(metrics, METRIC_DISTANCE, distance, card->name, card->version);
    metrics_add(metrics, METRIC_VERIFICATIONS, 1, card->name, card->version,
                verify->decision.rule == DECISION_THRESHOLD ? "threshold" : "max_fmr",
                verified ? "same" : "different");
}

static void fail(const struct verify *verify, const char *cause) {
    struct error err;
    enum status status = error_set(&err, STATUS_INTERNAL, "%s", cause);
    problem_reply(verify->request, status, &err);
}

void verify_answer(struct verify *verify) {
    const struct card *card = &verify->version->card;
    double distance = decision_distance(
        verify->embeddings, verify->embeddings + card->embedding_length, card->embedding_length);
    if (!isfinite(distance)) {
        fail(verify, "the network gave an embedding that is not finite");
        return;
    }
    bool verified = decision_verified(&verify->decision, distance);
    struct timings timings = measure(verify);
    json_t *root = answer_json(verify, distance, verified, &timings);
    char *text = root ? json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(root);
    if (!text) {
        fail(verify, "out of memory for an answer");
        return;
    }
    char stages[160];
    snprintf(stages, sizeof stages,
             "receive;dur=%.3f, prepare;dur=%.3f, queue;dur=%.3f, embed;dur=%.3f, total;dur=%.3f",
             timings.receive, timings.prepare, timings.queue, timings.embed, timings.total);
    const struct http_header headers[] = {{"Server-Timing", stages}, {NULL, NULL}};
    observe(verify, distance, verified, &timings);
    http_reply_take(verify->request, 200, "application/json", text, strlen(text), headers);
}
