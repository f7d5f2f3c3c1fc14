/* From two embeddings to the 200 of POST /v1/verify. Reals are written with 9 significant digits:
 * enough to read any float32 back as itself. The text is written as it goes, without a document in
 * memory, which took a third of the loop's time for a request. */
#include "api/verify.h"

#include "api/model_json.h"
#include "api/problem.h"
#include "model/json.h"
#include "server/clock.h"
#include "server/http/reply.h"

#include <math.h>
#include <stdio.h>

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

static void write_decision(struct json_writer *json, const struct verify *verify) {
    const bool *given = verify->body.options.given;
    bool by_threshold = verify->decision.rule == DECISION_THRESHOLD;
    bool requested = given[OPTION_THRESHOLD] || given[OPTION_MAX_FMR];
    json_write_object(json, "decision");
    json_write_text(json, "rule", by_threshold ? "threshold" : "max_fmr");
    json_write_text(json, "source", requested ? "request" : "default");
    if (by_threshold)
        json_write_null(json, "max_fmr");
    else
        json_write_short(json, "max_fmr", verify->decision.max_fmr);
    struct error_rates_point rates = {0};
    bool known = decision_rates(&verify->version->card, verify->decision.threshold, &rates);
    write_rate(json, "fmr", known, rates.fmr, rates.fmr_interval);
    write_rate(json, "fnmr", known, rates.fnmr, rates.fnmr_interval);
    json_write_end(json);
}

static void write_evidence(struct json_writer *json, const struct verify *verify, double distance) {
    double prior = verify->body.options.prior;
    struct decision_evidence evidence;
    if (decision_evidence(&verify->version->card, distance, prior, &evidence)) {
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

static void write_landmarks(struct json_writer *json, const struct face *face) {
    static const struct {
        const char *name;
        int index;
    } points[] = {
        {"left_eye_outer", FACE_LEFT_EYE_OUTER},
        {"left_eye_inner", FACE_LEFT_EYE_INNER},
        {"right_eye_outer", FACE_RIGHT_EYE_OUTER},
        {"right_eye_inner", FACE_RIGHT_EYE_INNER},
        {"nose_base", FACE_NOSE_BASE},
    };
    json_write_object(json, "landmarks");
    json_write_text(json, "scheme", "dlib5");
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        json_write_array(json, points[i].name);
        json_write_short(json, NULL, face->landmarks[points[i].index][0]);
        json_write_short(json, NULL, face->landmarks[points[i].index][1]);
        json_write_end(json);
    }
    json_write_end(json);
}

static void write_face(struct json_writer *json, const struct face *face) {
    json_write_object(json, "face");
    json_write_object(json, "box");
    json_write_short(json, "x", face->x);
    json_write_short(json, "y", face->y);
    json_write_short(json, "width", face->width);
    json_write_short(json, "height", face->height);
    json_write_end(json);
    json_write_text(json, "detector", "hog");
    json_write_short(json, "score", face->score);
    write_landmarks(json, face);
    json_write_end(json);
}

static void write_image(struct json_writer *json, const struct verify_photo *photo) {
    const struct prepared *prepared = &photo->prepared;
    json_write_object(json, NULL);
    json_write_text(json, "field", VERIFY_IMAGE_FIELDS[photo->index]);
    json_write_text(json, "format", image_format_name(prepared->info.format));
    json_write_integer(json, "width", prepared->info.width);
    json_write_integer(json, "height", prepared->info.height);
    if (prepared->face.count)
        json_write_integer(json, "face_count", prepared->face.count);
    else
        json_write_null(json, "face_count");
    write_face(json, &prepared->face);
    json_write_end(json);
}

static void write_timings(struct json_writer *json, const struct timings *timings) {
    json_write_object(json, "timings_ms");
    json_write_short(json, "receive", timings->receive);
    json_write_short(json, "prepare", timings->prepare);
    json_write_short(json, "queue", timings->queue);
    json_write_short(json, "embed", timings->embed);
    json_write_short(json, "total", timings->total);
    json_write_end(json);
}

static void write_warnings(struct json_writer *json, const struct verify_options *options) {
    json_write_array(json, "warnings");
    if (options->given[OPTION_THRESHOLD] && !options->version_named)
        json_write_text(json, NULL, "threshold_without_version");
    json_write_end(json);
}

/* The text, from malloc; NULL: out of memory. */
static char *answer_text(const struct verify *verify, double distance, bool verified,
                         const struct timings *timings, size_t *size) {
    struct json_writer *json = json_writer_create_compact();
    if (!json)
        return NULL;
    const struct card *card = &verify->version->card;
    json_write_object(json, NULL);
    json_write_bool(json, "verified", verified);
    json_write_float(json, "distance", (float)distance);
    json_write_text(json, "metric", card->distance);
    json_write_short(json, "threshold", verify->decision.threshold);
    write_decision(json, verify);
    write_evidence(json, verify, distance);
    write_model(json, card);
    json_write_array(json, "images");
    write_image(json, &verify->photos[0]);
    write_image(json, &verify->photos[1]);
    json_write_end(json);
    write_timings(json, timings);
    write_warnings(json, &verify->body.options);
    json_write_end(json);
    return json_writer_finish(json, size);
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
    size_t size;
    char *text = answer_text(verify, distance, verified, &timings, &size);
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
    http_reply_take(verify->request, 200, "application/json", text, size, headers);
}
