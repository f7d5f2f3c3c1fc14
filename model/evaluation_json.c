#include "model/evaluation_json.h"

#include "model/interval.h"

/* ---- in common ---- */

/* An interval beside the member it belongs to: NAME_low, NAME_high. */
static void write_rate(struct json_writer *json, const char *name, const char *low,
                       const char *high, double value, struct interval interval) {
    json_write_real(json, name, value);
    json_write_real(json, low, interval.low);
    json_write_real(json, high, interval.high);
}

void evaluation_write_rates(struct json_writer *json, const struct error_rates_point *point) {
    write_rate(json, "fmr", "fmr_low", "fmr_high", point->fmr, point->fmr_interval);
    write_rate(json, "fnmr", "fnmr_low", "fnmr_high", point->fnmr, point->fnmr_interval);
}

static void write_point(struct json_writer *json, const struct operating_point *point,
                        double failures) {
    json_write_object(json, NULL);
    json_write_real(json, "max_fmr", point->fmr);
    json_write_real(json, "threshold", point->measured.threshold);
    evaluation_write_rates(json, &point->measured);
    json_write_real(json, "false_reject_rate", failures + (1 - failures) * point->measured.fnmr);
    json_write_end(json);
}

void evaluation_write_points(struct json_writer *json, const char *name,
                             const struct operating_point *points, size_t count, double failures) {
    json_write_array(json, name);
    for (size_t i = 0; i < count; i++)
        write_point(json, &points[i], failures);
    json_write_end(json);
}

void evaluation_write_calibration(struct json_writer *json,
                                  const struct calibration_quality *quality) {
    if (!quality) {
        json_write_null(json, "calibration");
        return;
    }
    json_write_object(json, "calibration");
    json_write_real(json, "prior", 0.5);
    json_write_real(json, "error", quality->error);
    json_write_real(json, "log_loss", quality->log_loss);
    json_write_real(json, "two_valued_log_loss", quality->two_valued_log_loss);
    json_write_array(json, "bins");
    for (int i = 0; i < CALIBRATION_BINS; i++) {
        json_write_object(json, NULL);
        json_write_real(json, "mass", quality->bins[i].mass);
        json_write_real(json, "predicted", quality->bins[i].predicted);
        json_write_real(json, "observed", quality->bins[i].observed);
        json_write_end(json);
    }
    json_write_end(json);
    json_write_end(json);
}

/* ---- a list of pairs ---- */

static double failure_to_acquire(const struct evaluation_report *report) {
    return (double)report->images_left_out / (double)report->images;
}

static void write_data(struct json_writer *writer, const struct evaluation_report *report) {
    json_write_object(writer, "data");
    json_write_text(writer, "pairs_sha256", report->pairs_sha256);
    json_write_integer(writer, "pairs_listed", (int64_t)report->pairs_listed);
    json_write_integer(writer, "pairs_left_out",
                       (int64_t)(report->pairs_listed - report->evaluation->pairs));
    json_write_integer(writer, "images", (int64_t)report->images);
    json_write_integer(writer, "faces_not_found", (int64_t)report->faces_not_found);
    json_write_text(writer, "face", report->face);
    json_write_text(writer, "no_face", report->no_face);
    json_write_end(writer);
}

static void write_model(struct json_writer *writer, const struct evaluation_report *report) {
    json_write_object(writer, "model");
    json_write_text(writer, "name", report->model);
    json_write_text(writer, "version", report->version);
    json_write_text(writer, "weights_sha256", report->weights_sha256);
    json_write_end(writer);
}

static void write_method(struct json_writer *writer) {
    json_write_object(writer, "method");
    json_write_text(writer, "pairs", "as listed, of equal weight");
    json_write_text(writer, "intervals",
                    "95 %, Wilson's, for independent pairs; where nothing happened, the rule of "
                    "three");
    json_write_end(writer);
}

static void write_numbers(struct json_writer *writer, const struct evaluation *evaluation,
                          double failures) {
    const struct error_rates_point rates = {
        evaluation->threshold, evaluation->fmr, evaluation->fnmr,
        interval_of_rate(evaluation->false_accept, evaluation->impostor),
        interval_of_rate(evaluation->false_reject, evaluation->genuine)};
    json_write_integer(writer, "pairs", (int64_t)evaluation->pairs);
    json_write_integer(writer, "genuine", (int64_t)evaluation->genuine);
    json_write_integer(writer, "impostor", (int64_t)evaluation->impostor);
    json_write_real(writer, "threshold", evaluation->threshold);
    json_write_integer(writer, "true_accept", (int64_t)evaluation->true_accept);
    json_write_integer(writer, "false_accept", (int64_t)evaluation->false_accept);
    json_write_integer(writer, "true_reject", (int64_t)evaluation->true_reject);
    json_write_integer(writer, "false_reject", (int64_t)evaluation->false_reject);
    json_write_real(writer, "accuracy", evaluation->accuracy);
    json_write_real(writer, "precision", evaluation->precision);
    json_write_real(writer, "recall", evaluation->recall);
    json_write_real(writer, "f1", evaluation->f1);
    evaluation_write_rates(writer, &rates);
    json_write_real(writer, "roc_auc", evaluation->roc_auc);
    json_write_real(writer, "eer", evaluation->eer);
    json_write_real(writer, "eer_threshold", evaluation->eer_threshold);
    json_write_real(writer, "failure_to_acquire", failures);
    json_write_real(writer, "false_reject_rate", failures + (1 - failures) * evaluation->fnmr);
}

static void write_folds(struct json_writer *writer, const struct folds *folds) {
    json_write_object(writer, "folds");
    json_write_real(writer, "accuracy", folds->accuracy);
    json_write_real(writer, "standard_error", folds->standard_error);
    json_write_array(writer, "list");
    for (uint32_t i = 0; i < folds->count; i++) {
        json_write_object(writer, NULL);
        json_write_integer(writer, "pairs", (int64_t)folds->list[i].pairs);
        json_write_real(writer, "threshold", folds->list[i].threshold);
        json_write_real(writer, "accuracy", folds->list[i].accuracy);
        json_write_end(writer);
    }
    json_write_end(writer);
    json_write_end(writer);
}

char *evaluation_json(const struct evaluation_report *report, size_t *size) {
    struct json_writer *writer = json_writer_create();
    if (!writer)
        return NULL;
    double failures = failure_to_acquire(report);
    json_write_object(writer, NULL);
    json_write_text(writer, "protocol", report->protocol);
    write_model(writer, report);
    write_data(writer, report);
    write_method(writer);
    write_numbers(writer, report->evaluation, failures);
    if (report->folds)
        write_folds(writer, report->folds);
    evaluation_write_points(writer, "operating_points", report->points, report->points_count,
                            failures);
    evaluation_write_calibration(writer, report->calibration);
    json_write_text(writer, "differential_performance", "not measured");
    json_write_end(writer);
    return json_writer_finish(writer, size);
}
