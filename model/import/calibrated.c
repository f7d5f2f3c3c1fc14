#include "model/import/calibrated.h"

#include "model/digest.h"
#include "model/file.h"
#include "model/import/version.h"
#include "model/json.h"
#include "model/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *name_of(const struct calibrated *calibrated) {
    return calibrated->training ? calibrated->training->name : calibrated->card->name;
}

/* ---- the card ---- */

static void write_thresholds(struct json_writer *json, const struct calibrated *calibrated) {
    char source[320];
    const struct calibrated_data *data = &calibrated->data;
    snprintf(source, sizeof(source), "not measured: see `facepair calibrate`");
    if (calibrated->points_count > 0)
        snprintf(source, sizeof(source),
                 "%s: %llu impostor pairs and %llu genuine pairs of images. %s", data->kind,
                 (unsigned long long)data->impostor_pairs, (unsigned long long)data->genuine_pairs,
                 data->method);
    json_write_object(json, "thresholds");
    json_write_text(json, "source", source);
    json_write_array(json, "values");
    for (size_t i = 0; i < calibrated->points_count; i++) {
        const struct operating_point *point = &calibrated->points[i];
        json_write_object(json, NULL);
        json_write_real(json, "fmr", point->fmr);
        json_write_real(json, "fmr_low", point->measured.fmr_interval.low);
        json_write_real(json, "fmr_high", point->measured.fmr_interval.high);
        json_write_real(json, "threshold", point->measured.threshold);
        json_write_real(json, "fnmr", point->measured.fnmr);
        json_write_real(json, "fnmr_low", point->measured.fnmr_interval.low);
        json_write_real(json, "fnmr_high", point->measured.fnmr_interval.high);
        json_write_end(json);
    }
    json_write_end(json);
    json_write_end(json);
}

static void write_data(struct json_writer *json, const struct calibrated *calibrated) {
    const struct calibrated_data *data = &calibrated->data;
    json_write_object(json, "calibration_data");
    json_write_text(json, "kind", data->kind);
    json_write_text(json, "file_sha256", data->file_sha256);
    if (data->people_sha256)
        json_write_text(json, "people_sha256", data->people_sha256);
    if (data->part)
        json_write_text(json, "part", data->part);
    if (data->people)
        json_write_integer(json, "people", (int64_t)data->people);
    json_write_integer(json, "images", (int64_t)data->images);
    json_write_integer(json, "genuine_pairs", (int64_t)data->genuine_pairs);
    json_write_integer(json, "impostor_pairs", (int64_t)data->impostor_pairs);
    json_write_text(json, "calibrated_from", calibrated->card->version);
    if (data->job)
        json_write_text(json, "job", data->job);
    json_write_end(json);
}

static void write_typical(struct json_writer *json, const struct calibrated *calibrated) {
    char source[128];
    if (!calibrated->typical)
        return;
    snprintf(source, sizeof(source), "%llu images of %llu people, each person weighing the same",
             (unsigned long long)calibrated->data.images,
             (unsigned long long)calibrated->data.people);
    card_typical_write(json, calibrated->typical, calibrated->card->embedding_length, source);
}

static void write_head(struct json_writer *json, uint32_t input_length,
                       const struct calibrated_head *head) {
    json_write_object(json, "head");
    json_write_integer(json, "input_length", input_length);
    json_write_text(json, "method",
                    "within-class whitening: inverse root of the covariance within people, each "
                    "weighing the same, plus its mean eigenvalue on the diagonal");
    json_write_text(json, "file_sha256", head->file_sha256);
    json_write_text(json, "people_sha256", head->people_sha256);
    if (head->part)
        json_write_text(json, "part", head->part);
    json_write_integer(json, "people", (int64_t)head->people);
    json_write_integer(json, "images", (int64_t)head->images);
    json_write_end(json);
}

static void write_embedding(struct json_writer *json, const struct calibrated *calibrated,
                            const char *weights_sha256) {
    const struct card *card = calibrated->card;
    json_write_object(json, "embedding");
    json_write_integer(json, "length", card->embedding_length);
    json_write_text(json, "distance", card->distance);
    card_embedding_write(json, &card->embedding);
    if (calibrated->head)
        write_head(json, card->embedding_length, calibrated->head);
    json_write_end(json);
    json_write_object(json, "weights");
    json_write_text(json, "file", card->weights_file);
    json_write_text(json, "sha256", weights_sha256);
    json_write_end(json);
}

static void write_training(struct json_writer *json, const struct calibrated *calibrated) {
    static const char *const NOTHING[] = {NULL};
    const char *record = calibrated->training ? calibrated->training->record : NULL;
    struct json_reader *reader;
    if (!record || json_reader_open(record, strlen(record), &reader, NULL) != STATUS_OK)
        return;
    struct json_node root = json_root(reader);
    json_write_object(json, "training");
    json_copy_members(json, &root, NOTHING);
    json_write_end(json);
    (void)json_reader_close(reader, NULL); /* nothing was read that could be at fault */
}

/* The card as it stands, with what was measured in place of what it said before. */
static enum status format_card(const struct calibrated *calibrated, const char *version,
                               const char *weights_sha256, char **text, size_t *size,
                               struct error *err) {
    bool changed = calibrated->embedding_changed || calibrated->head;
    /* What follows the NULL stays, when the embedding does. */
    const char *const replaced[] = {
        "version",          "name",        calibrated->training ? "training" : "version",
        "thresholds",       "probability", "error_rates",
        "calibration_data", "typical",     changed ? "embedding" : NULL,
        "weights",          NULL};
    struct json_reader *reader;
    const char *old = calibrated->card->json;
    enum status status = json_reader_open(old, strlen(old), &reader, err);
    if (status != STATUS_OK)
        return status;
    struct json_node root = json_root(reader);
    struct json_writer *json = json_writer_create();
    if (json) {
        json_write_object(json, NULL);
        json_copy_members(json, &root, replaced);
        json_write_text(json, "name", name_of(calibrated));
        json_write_text(json, "version", version);
        write_training(json, calibrated);
        if (changed)
            write_embedding(json, calibrated, weights_sha256);
        write_thresholds(json, calibrated);
        card_measured_write(json, calibrated->measured, calibrated->data.method);
        write_typical(json, calibrated);
        if (calibrated->points_count > 0)
            write_data(json, calibrated);
        json_write_end(json);
    }
    *text = json ? json_writer_finish(json, size) : NULL;
    status = json_reader_close(reader, err);
    return status == STATUS_OK && !*text ? error_set(err, STATUS_INTERNAL, "out of memory")
                                         : status;
}

/* ---- the directory ---- */

/* The tensors of a file, but a head that it may have, and the head after them, in a new file. */
static enum status add_head(const char *from, const char *to, const struct calibrated *calibrated,
                            struct error *err) {
    struct safetensors *file;
    enum status status = safetensors_open(from, &file, err);
    if (status != STATUS_OK)
        return status;
    size_t all = safetensors_count(file), count = 0;
    struct safetensors_tensor *tensors = calloc(all + 1, sizeof(*tensors));
    if (tensors) {
        uint32_t length = calibrated->card->embedding_length;
        for (size_t i = 0; i < all; i++)
            if (strcmp(safetensors_all(file)[i].name, CARD_HEAD_TENSOR) != 0)
                tensors[count++] = safetensors_all(file)[i];
        tensors[count] = (struct safetensors_tensor){.name = CARD_HEAD_TENSOR,
                                                     .rank = 2,
                                                     .shape = {length, length},
                                                     .data = calibrated->head->matrix};
        status = safetensors_write(to, tensors, count + 1, err);
    } else {
        status = error_set(err, STATUS_INTERNAL, "out of memory");
    }
    free(tensors);
    safetensors_close(file);
    return status;
}

/* The weights, and their hash. */
static enum status place_weights(const struct calibrated *calibrated,
                                 const struct version_work *work, char sha256[DIGEST_TEXT_SIZE],
                                 struct error *err) {
    char from[PUBLISH_PATH_MAX], to[PUBLISH_PATH_MAX];
    const struct card *card = calibrated->card;
    enum status status =
        calibrated->training
            ? publish_path(from, err, "%s", calibrated->training->weights)
            : publish_path(from, err, "%s/%s/%s", work->model, card->version, card->weights_file);
    if (status == STATUS_OK)
        status = publish_path(to, err, "%s/%s", work->built, card->weights_file);
    if (status != STATUS_OK)
        return status;
    status = calibrated->head ? add_head(from, to, calibrated, err) : file_share(from, to, err);
    return status == STATUS_OK ? digest_file(to, sha256, err) : status;
}

/* A list of people that the version which this one comes from has, too. */
static enum status hand_on(const struct calibrated *calibrated, const struct version_work *work,
                           const char *file, struct error *err) {
    char from[PUBLISH_PATH_MAX], to[PUBLISH_PATH_MAX];
    enum status status =
        publish_path(from, err, "%s/%s/%s", work->model, calibrated->card->version, file);
    if (status != STATUS_OK || !publish_exists(from))
        return status;
    status = publish_path(to, err, "%s/%s", work->built, file);
    return status == STATUS_OK ? file_share(from, to, err) : status;
}

/* Who head and network were learned from: now, or for the version that this one comes from. */
static enum status place_learned(const struct calibrated *calibrated,
                                 const struct version_work *work, struct error *err) {
    static const char HEAD[] = "head-people.txt", NETWORK[] = "training-people.txt";
    const struct calibrated_head *head = calibrated->head;
    enum status status = STATUS_OK;
    if (head)
        status = version_write(work, HEAD, head->hashes, strlen(head->hashes), err);
    else if (!calibrated->training) /* else other weights: nothing is left of a head */
        status = hand_on(calibrated, work, HEAD, err);
    if (status == STATUS_OK && !calibrated->training)
        status = hand_on(calibrated, work, NETWORK, err);
    return status;
}

static enum status place_training(const struct calibrated_training *training,
                                  const struct version_work *work, const char *weights_sha256,
                                  struct error *err) {
    size_t size;
    enum status status =
        version_write(work, "training-people.txt", training->hashes, strlen(training->hashes), err);
    if (status != STATUS_OK)
        return status;
    char *text = training->evaluation(training->context, work->number, weights_sha256, &size);
    status = text ? version_write(work, "evaluation.json", text, size, err)
                  : error_set(err, STATUS_INTERNAL, "out of memory");
    free(text);
    return status;
}

static enum status fill(const struct calibrated *calibrated, const struct version_work *work,
                        struct error *err) {
    char *card, sha256[DIGEST_TEXT_SIZE];
    size_t size;
    const char *hashes = calibrated->data.hashes;
    enum status status = place_weights(calibrated, work, sha256, err);
    if (status == STATUS_OK)
        status = format_card(calibrated, work->number, sha256, &card, &size, err);
    if (status != STATUS_OK)
        return status;
    status = version_write(work, "model.json", card, size, err);
    free(card);
    if (status == STATUS_OK && hashes)
        status = version_write(work, "calibration-people.txt", hashes, strlen(hashes), err);
    if (status == STATUS_OK && calibrated->training)
        status = place_training(calibrated->training, work, sha256, err);
    return status == STATUS_OK ? place_learned(calibrated, work, err) : status;
}

enum status calibrated_publish(const struct calibrated *calibrated,
                               char version[CARD_VERSION_MAX + 1], struct error *err) {
    struct version_work work;
    enum status status = version_begin(calibrated->data_directory, name_of(calibrated), &work, err);
    if (status != STATUS_OK)
        return status;
    snprintf(version, CARD_VERSION_MAX + 1, "%s", work.number);
    status = fill(calibrated, &work, err);
    if (status == STATUS_OK)
        return version_finish(&work, NULL, err);
    version_abandon(&work);
    return status;
}
