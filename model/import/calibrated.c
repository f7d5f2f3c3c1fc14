#include "model/import/calibrated.h"

#include "model/catalog.h"
#include "model/import/version.h"
#include "model/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COPY_BYTES = 1 << 16 };

static enum status failed(const char *path, struct error *err) {
    return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", path, strerror(errno));
}

/* ---- the card ---- */

static void write_thresholds(struct json_writer *json, const struct calibrated *calibrated) {
    char source[320];
    const struct calibrated_data *data = &calibrated->data;
    snprintf(source, sizeof(source), "%s: %llu impostor pairs and %llu genuine pairs of images. %s",
             data->kind, (unsigned long long)data->impostor_pairs,
             (unsigned long long)data->genuine_pairs, data->method);
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
    json_write_end(json);
}

/* The card as it stands, with what was measured in place of what it said before. */
static enum status format_card(const struct calibrated *calibrated, const char *version,
                               char **text, size_t *size, struct error *err) {
    static const char *const REPLACED[] = {"version",     "thresholds",       "probability",
                                           "error_rates", "calibration_data", NULL};
    struct json_reader *reader;
    const char *old = calibrated->card->json;
    enum status status = json_reader_open(old, strlen(old), &reader, err);
    if (status != STATUS_OK)
        return status;
    struct json_node root = json_root(reader);
    struct json_writer *json = json_writer_create();
    if (json) {
        json_write_object(json, NULL);
        json_copy_members(json, &root, REPLACED);
        json_write_text(json, "version", version);
        write_thresholds(json, calibrated);
        card_measured_write(json, calibrated->measured, calibrated->data.method);
        write_data(json, calibrated);
        json_write_end(json);
    }
    *text = json ? json_writer_finish(json, size) : NULL;
    status = json_reader_close(reader, err);
    return status == STATUS_OK && !*text ? error_set(err, STATUS_INTERNAL, "out of memory")
                                         : status;
}

/* ---- the directory ---- */

static bool copy_bytes(int from, int to) {
    char buffer[COPY_BYTES];
    ssize_t count;
    while ((count = read(from, buffer, sizeof(buffer))) > 0)
        for (ssize_t done = 0; done < count;) {
            ssize_t wrote = write(to, buffer + done, (size_t)(count - done));
            if (wrote < 0)
                return false;
            done += wrote;
        }
    return count == 0 && fsync(to) == 0;
}

/* The same bytes under a second name; a copy where the file system knows no such thing. */
static enum status share_file(const char *from, const char *to, struct error *err) {
    if (link(from, to) == 0)
        return STATUS_OK;
    int source = open(from, O_RDONLY | O_CLOEXEC);
    if (source < 0)
        return failed(from, err);
    int target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    enum status status = target >= 0 && copy_bytes(source, target) ? STATUS_OK : failed(to, err);
    close(source);
    if (target >= 0 && close(target) != 0 && status == STATUS_OK)
        status = failed(to, err);
    return status;
}

static enum status share_weights(const struct card *card, const struct version_work *work,
                                 struct error *err) {
    char from[PUBLISH_PATH_MAX], to[PUBLISH_PATH_MAX];
    enum status status =
        publish_path(from, err, "%s/%s/%s", work->model, card->version, card->weights_file);
    if (status == STATUS_OK)
        status = publish_path(to, err, "%s/%s", work->built, card->weights_file);
    return status == STATUS_OK ? share_file(from, to, err) : status;
}

static enum status fill(const struct calibrated *calibrated, const struct version_work *work,
                        struct error *err) {
    char *card;
    size_t size;
    const char *hashes = calibrated->data.hashes;
    enum status status = format_card(calibrated, work->number, &card, &size, err);
    if (status != STATUS_OK)
        return status;
    status = version_write(work, "model.json", card, size, err);
    free(card);
    if (status == STATUS_OK && hashes)
        status = version_write(work, "calibration-people.txt", hashes, strlen(hashes), err);
    return status == STATUS_OK ? share_weights(calibrated->card, work, err) : status;
}

enum status calibrated_publish(const struct calibrated *calibrated,
                               char version[CARD_VERSION_MAX + 1], struct error *err) {
    struct version_work work;
    enum status status =
        version_begin(calibrated->data_directory, calibrated->card->name, &work, err);
    if (status != STATUS_OK)
        return status;
    snprintf(version, CARD_VERSION_MAX + 1, "%s", work.number);
    status = fill(calibrated, &work, err);
    if (status == STATUS_OK)
        return version_finish(&work, NULL, err);
    version_abandon(&work);
    return status;
}

enum status calibrated_activate(const struct calibrated *calibrated, const char *version,
                                struct error *err) {
    return catalog_activate(calibrated->data_directory, calibrated->card->name, version, err);
}
