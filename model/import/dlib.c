/* One weights file, two models: the same tensors, and for dlib-resnet-plus a head after them. Each
 * model's version is built aside and then compared with those that are there: the same card (which
 * holds the hash of the weights) is the same version. */
#include "model/import/dlib.h"

#include "model/catalog.h"
#include "model/digest.h"
#include "model/file.h"
#include "model/import/dlib_file.h"
#include "model/import/dlib_model.h"
#include "model/import/version.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char WEIGHTS_SHA256[] =
    "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30";
static const char PREDICTOR_SHA256[] =
    "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888";

enum { PREDICTOR_BYTES_MAX = 16 << 20, CARD_BYTES_MAX = 1 << 20 };

static void say(const struct import_dlib_options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(const struct import_dlib_options *options, const char *format, ...) {
    if (!options->messages)
        return;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(options->messages, format, arguments);
    va_end(arguments);
    fputc('\n', options->messages);
}

static enum status check_hash(const char *path, const char *wanted, struct error *err) {
    char found[DIGEST_TEXT_SIZE];
    enum status status = digest_file(path, found, err);
    if (status == STATUS_OK && strcmp(found, wanted) != 0)
        return error_set(err, STATUS_INTERNAL, "%.120s: not the known file (SHA-256 is %.12s…)",
                         path, found);
    return status;
}

/* ---- the predictor ---- */

static enum status copy_predictor(const struct import_dlib_options *options, struct error *err) {
    char face[PUBLISH_PATH_MAX], path[PUBLISH_PATH_MAX], *bytes;
    size_t size;
    enum status status = publish_path(face, err, "%s/face", options->data_directory);
    if (status == STATUS_OK)
        status = publish_path(path, err, "%s/shape_predictor_5_face_landmarks.dat", face);
    if (status != STATUS_OK)
        return status;
    if (publish_exists(path)) {
        say(options, "%s: already there", path);
        return check_hash(path, PREDICTOR_SHA256, err);
    }
    status = publish_make_directory(face, err);
    if (status == STATUS_OK)
        status = file_read(options->predictor_path, PREDICTOR_BYTES_MAX, &bytes, &size, err);
    if (status != STATUS_OK)
        return status;
    status = file_write(path, bytes, size, err);
    free(bytes);
    if (status == STATUS_OK)
        say(options, "%s: written", path);
    return status;
}

/* ---- a version being built ---- */

/* The network's tensors, and the head when the model has one. */
static enum status write_tensors(const char *path, const struct dlib_model *model,
                                 const struct dlib_file *file, struct error *err) {
    size_t count;
    const struct safetensors_tensor *network = dlib_file_tensors(file, &count);
    struct safetensors_tensor *tensors = calloc(count + 1, sizeof(*tensors));
    float *head = malloc(model->head.size + 1); /* aligned, which the embedded bytes are not */
    enum status status = STATUS_OK;
    if (tensors && head) {
        memcpy(tensors, network, count * sizeof(*tensors));
        memcpy(head, model->head.bytes ? model->head.bytes : "", model->head.size);
        tensors[count] =
            (struct safetensors_tensor){.name = CARD_HEAD_TENSOR,
                                        .rank = 2,
                                        .shape = {DLIB_EMBEDDING_LENGTH, DLIB_EMBEDDING_LENGTH},
                                        .data = head};
        status = safetensors_write(path, tensors, count + (model->has_head ? 1 : 0), err);
    } else {
        status = error_set(err, STATUS_INTERNAL, "out of memory");
    }
    free(tensors);
    free(head);
    return status;
}

/* DIRECTORY/weights.safetensors, and its hash. */
static enum status write_weights(const char *directory, const struct dlib_model *model,
                                 const struct dlib_file *file, char sha256[DIGEST_TEXT_SIZE],
                                 struct error *err) {
    char path[PUBLISH_PATH_MAX];
    enum status status = publish_path(path, err, "%s/weights.safetensors", directory);
    if (status == STATUS_OK)
        status = write_tensors(path, model, file, err);
    return status == STATUS_OK ? digest_file(path, sha256, err) : status;
}

static enum status write_card(const struct version_work *work, const struct dlib_model *model,
                              const char *sha256, struct error *err) {
    size_t size;
    char *card = dlib_card_format(model, work->number, sha256, &size);
    if (!card)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    enum status status = version_write(work, "model.json", card, size, err);
    free(card);
    return status;
}

/* Nothing when the tree has no such file. */
static enum status write_bytes(const struct version_work *work, const char *file,
                               const struct dlib_bytes *bytes, struct error *err) {
    return bytes->size ? version_write(work, file, bytes->bytes, bytes->size, err) : STATUS_OK;
}

static enum status fill(const struct version_work *work, const struct dlib_model *model,
                        const char *sha256, struct error *err) {
    enum status status = write_card(work, model, sha256, err);
    if (status == STATUS_OK)
        status = write_bytes(work, "evaluation.json", &model->evaluation, err);
    if (status == STATUS_OK)
        status = write_bytes(work, "head-people.txt", &model->head_people, err);
    if (status == STATUS_OK && model->measured.size)
        status = write_bytes(work, "calibration-people.txt", &model->calibration_people, err);
    return status;
}

/* ---- what is there ---- */

/* Whether MODEL/NUMBER has the card that would be written for it. */
static enum status has_card(const char *directory, const char *number,
                            const struct dlib_model *model, const char *sha256, bool *same,
                            struct error *err) {
    char path[PUBLISH_PATH_MAX], *there;
    size_t size, there_size;
    enum status status = publish_path(path, err, "%s/%s/model.json", directory, number);
    if (status == STATUS_OK)
        status = file_read(path, CARD_BYTES_MAX, &there, &there_size, err);
    if (status != STATUS_OK)
        return status;
    char *card = dlib_card_format(model, number, sha256, &size);
    *same = card && size == there_size && memcmp(card, there, size) == 0;
    free(there);
    if (!card)
        status = error_set(err, STATUS_INTERNAL, "out of memory");
    free(card);
    return status;
}

/* number: the version with this card, or empty. */
static enum status find_version(const char *directory, const struct dlib_model *model,
                                const char *sha256, char number[CARD_VERSION_MAX + 1],
                                struct error *err) {
    enum status status = STATUS_OK;
    number[0] = '\0';
    DIR *entries = opendir(directory);
    if (!entries)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", directory, strerror(errno));
    struct dirent *entry;
    while (status == STATUS_OK && !number[0] && (entry = readdir(entries)) != NULL) {
        bool same = false;
        if (!card_version_valid(entry->d_name))
            continue;
        status = has_card(directory, entry->d_name, model, sha256, &same, err);
        if (same)
            snprintf(number, CARD_VERSION_MAX + 1, "%.*s", (int)CARD_VERSION_MAX, entry->d_name);
    }
    closedir(entries);
    return status;
}

/* Whoever promoted another version since keeps it. */
static enum status activate_if_none(const struct version_work *work, const char *number,
                                    struct error *err) {
    char path[PUBLISH_PATH_MAX];
    enum status status = publish_path(path, err, "%s/active", work->place);
    if (status != STATUS_OK || publish_exists(path))
        return status;
    return catalog_write_active(work->place, number, err);
}

/* The evaluation is a measurement of the same weights, so it may also join a version that was
 * imported before it was made. */
static enum status complete_version(const struct import_dlib_options *options,
                                    const struct version_work *work, const char *number,
                                    const struct dlib_model *model, const char *sha256,
                                    struct error *err) {
    char path[PUBLISH_PATH_MAX];
    enum status status = publish_path(path, err, "%s/%s/weights.safetensors", work->place, number);
    if (status == STATUS_OK)
        status = check_hash(path, sha256, err);
    if (status == STATUS_OK)
        status = publish_path(path, err, "%s/%s/evaluation.json", work->place, number);
    if (status == STATUS_OK && model->evaluation.size && !publish_exists(path))
        status = file_write(path, model->evaluation.bytes, model->evaluation.size, err);
    if (status == STATUS_OK)
        status = activate_if_none(work, number, err);
    if (status == STATUS_OK)
        say(options, "%s/%s: already there", work->place, number);
    return status;
}

/* ---- the whole ---- */

/* Ends the work. */
static enum status place(const struct import_dlib_options *options, struct version_work *work,
                         const struct dlib_model *model, const char *sha256, struct error *err) {
    char number[CARD_VERSION_MAX + 1];
    enum status status = find_version(work->model, model, sha256, number, err);
    if (status == STATUS_OK && !number[0])
        status = fill(work, model, sha256, err);
    if (status == STATUS_OK && !number[0])
        return version_finish(work, options->messages, err);
    if (status == STATUS_OK)
        status = complete_version(options, work, number, model, sha256, err);
    version_abandon(work);
    return status;
}

static enum status import_model(const struct import_dlib_options *options,
                                const struct dlib_model *model, const struct dlib_file *file,
                                struct error *err) {
    char sha256[DIGEST_TEXT_SIZE];
    struct version_work work;
    enum status status = version_begin(options->data_directory, model->name, &work, err);
    if (status != STATUS_OK)
        return status;
    status = write_weights(work.built, model, file, sha256, err);
    if (status == STATUS_OK)
        return place(options, &work, model, sha256, err);
    version_abandon(&work);
    return status;
}

enum status import_dlib(const struct import_dlib_options *options, struct error *err) {
    struct dlib_file *file = NULL;
    enum status status = check_hash(options->weights_path, WEIGHTS_SHA256, err);
    if (status == STATUS_OK)
        status = check_hash(options->predictor_path, PREDICTOR_SHA256, err);
    if (status == STATUS_OK)
        status = copy_predictor(options, err);
    if (status == STATUS_OK)
        status = dlib_file_read(options->weights_path, &file, err);
    for (size_t i = 0; i < DLIB_MODELS && status == STATUS_OK; i++)
        if (dlib_model_complete(&dlib_models[i]))
            status = import_model(options, &dlib_models[i], file, err);
    dlib_file_release(file);
    return status;
}
