#include "model/evaluation_gallery.h"

#include "model/evaluation_json.h"

static double failure_to_acquire(const struct evaluation_gallery_report *report) {
    return (double)report->images_left_out / (double)report->images_listed;
}

static void write_model(struct json_writer *json, const struct card *card) {
    json_write_object(json, "model");
    json_write_text(json, "name", card->name);
    json_write_text(json, "version", card->version);
    json_write_text(json, "weights_sha256", card->weights_sha256);
    json_write_end(json);
}

static void write_data(struct json_writer *json, const struct evaluation_gallery *evaluation,
                       const struct evaluation_gallery_report *report) {
    const struct distance_histogram *histogram = &evaluation->histogram;
    json_write_object(json, "data");
    json_write_text(json, "people_file_sha256", report->people_file_sha256);
    json_write_text(json, "people_sha256", report->people_sha256);
    if (report->part)
        json_write_text(json, "part", report->part);
    json_write_integer(json, "people_listed", (int64_t)report->people_listed);
    json_write_integer(json, "people", histogram->people);
    json_write_integer(json, "people_with_two_images", histogram->people_paired);
    json_write_integer(json, "images_listed", (int64_t)report->images_listed);
    json_write_integer(json, "images", histogram->images);
    json_write_integer(json, "faces_not_found", (int64_t)report->faces_not_found);
    json_write_text(json, "face", report->face);
    json_write_text(json, "no_face", report->no_face);
    json_write_real(json, "distance_resolution", 1 / histogram->per_unit);
    json_write_end(json);
}

static void write_method(struct json_writer *json, const struct evaluation_gallery_report *report) {
    json_write_object(json, "method");
    json_write_text(json, "pairs", "all pairs of images");
    json_write_text(json, "weights",
                    "impostor pairs 1/(images of a x images of b), genuine pairs 1/(pairs of the "
                    "person); each kind sums to 1");
    json_write_text(json, "intervals",
                    "95 %, percentiles of a bootstrap over people; where nothing happened, the "
                    "rule of three");
    json_write_integer(json, "replicates", report->replicates);
    json_write_integer(json, "seed", (int64_t)report->seed);
    json_write_end(json);
}

static void write_figures(struct json_writer *json, const struct evaluation_gallery *evaluation,
                          double failures) {
    const struct evaluation *figures = &evaluation->at_threshold;
    json_write_integer(json, "pairs", (int64_t)figures->pairs);
    json_write_integer(json, "genuine", (int64_t)figures->genuine);
    json_write_integer(json, "impostor", (int64_t)figures->impostor);
    json_write_real(json, "threshold", figures->threshold);
    json_write_real(json, "accuracy", figures->accuracy);
    json_write_real(json, "precision", figures->precision);
    json_write_real(json, "recall", figures->recall);
    json_write_real(json, "f1", figures->f1);
    evaluation_write_rates(json, &evaluation->at_threshold_rates);
    json_write_real(json, "roc_auc", figures->roc_auc);
    json_write_real(json, "eer", figures->eer);
    json_write_real(json, "eer_threshold", figures->eer_threshold);
    json_write_real(json, "failure_to_acquire", failures);
    json_write_real(json, "false_reject_rate", failures + (1 - failures) * figures->fnmr);
}

static void write_groups(struct json_writer *json, const struct evaluation_gallery *evaluation) {
    if (evaluation->groups_count == 0) {
        json_write_text(json, "differential_performance", "not measured");
        return;
    }
    json_write_object(json, "differential_performance");
    json_write_real(json, "threshold", evaluation->groups_threshold);
    json_write_text(json, "pairs", "within each group");
    json_write_array(json, "groups");
    for (size_t i = 0; i < evaluation->groups_count; i++) {
        const struct evaluation_group *group = &evaluation->groups[i];
        json_write_object(json, NULL);
        json_write_text(json, "group", group->name);
        json_write_integer(json, "people", group->people);
        json_write_integer(json, "images", group->images);
        if (group->measured)
            evaluation_write_rates(json, &group->rates);
        json_write_end(json);
    }
    json_write_end(json);
    json_write_end(json);
}

/* How many of them the check for atypical embeddings refuses; null when the card has no such check.
 */
static void write_refused(struct json_writer *json, const struct master_faces *faces,
                          int64_t refused) {
    if (faces->checked)
        json_write_integer(json, "refused", refused);
    else
        json_write_null(json, "refused");
}

static void write_kinds(struct json_writer *json, const struct master_faces *faces,
                        const char *name, const char *parameter, const struct master_face *kinds,
                        size_t count) {
    json_write_array(json, name);
    for (size_t i = 0; i < count; i++) {
        json_write_object(json, NULL);
        json_write_real(json, parameter, kinds[i].parameter);
        json_write_integer(json, "tried", kinds[i].tried);
        json_write_real(json, "rate", kinds[i].rate);
        json_write_real(json, "rate_max", kinds[i].rate_max);
        write_refused(json, faces, kinds[i].refused);
        json_write_end(json);
    }
    json_write_end(json);
}

static void write_master_faces(struct json_writer *json, const struct master_faces *faces) {
    if (faces->threshold <= 0) {
        json_write_null(json, "master_face_rate");
        return;
    }
    json_write_object(json, "master_face_rate");
    json_write_real(json, "threshold", faces->threshold);
    json_write_real(json, "mean_embedding", faces->mean_rate);
    write_refused(json, faces, faces->mean_refused);
    if (faces->part) {
        json_write_text(json, "faces_from_part", faces->part);
        write_kinds(json, faces, "averaged_faces", "faces", faces->averaged, faces->averaged_count);
        write_kinds(json, faces, "blurred_faces", "sigma", faces->blurred, faces->blurred_count);
    }
    json_write_end(json);
}

char *evaluation_gallery_json(const struct evaluation_gallery *evaluation,
                              const struct evaluation_gallery_report *report, size_t *size) {
    struct json_writer *json = json_writer_create();
    if (!json)
        return NULL;
    double failures = failure_to_acquire(report);
    json_write_object(json, NULL);
    json_write_text(json, "protocol", report->protocol);
    write_model(json, report->card);
    write_data(json, evaluation, report);
    write_method(json, report);
    write_figures(json, evaluation, failures);
    evaluation_write_points(json, "operating_points", evaluation->points, evaluation->points_count,
                            failures);
    evaluation_write_points(json, "card_thresholds", evaluation->card_points,
                            evaluation->card_points_count, failures);
    evaluation_write_calibration(json, evaluation->calibrated ? &evaluation->calibration : NULL);
    write_master_faces(json, &evaluation->master_faces);
    write_groups(json, evaluation);
    json_write_end(json);
    return json_writer_finish(json, size);
}
