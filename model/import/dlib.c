#include "model/import/dlib.h"
#include "model/digest.h"
#include "model/file.h"
#include "model/import/dlib_card.h"
#include "model/import/dlib_file.h"
#include "model/import/publish.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char WEIGHTS_SHA256[] =
    "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30";
static const char PREDICTOR_SHA256[] =
    "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888";

enum { PREDICTOR_BYTES_MAX = 16 << 20, CARD_BYTES_MAX = 1 << 20 };

/* Where everything of one import stands. */
struct places {
    char models[PUBLISH_PATH_MAX];    /* DATA/models/dlib-resnet */
    char version[PUBLISH_PATH_MAX];   /* …/1 */
    char active[PUBLISH_PATH_MAX];    /* …/active */
    char face[PUBLISH_PATH_MAX];      /* DATA/face */
    char predictor[PUBLISH_PATH_MAX]; /* …/shape_predictor_5_face_landmarks.dat */
};

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

static enum status find_places(const char *data, struct places *at, struct error *err) {
    enum status status = publish_path(at->models, err, "%s/models/dlib-resnet", data);
    if (status == STATUS_OK)
        status = publish_path(at->version, err, "%s/1", at->models);
    if (status == STATUS_OK)
        status = publish_path(at->active, err, "%s/active", at->models);
    if (status == STATUS_OK)
        status = publish_path(at->face, err, "%s/face", data);
    if (status == STATUS_OK)
        status =
            publish_path(at->predictor, err, "%s/shape_predictor_5_face_landmarks.dat", at->face);
    return status;
}

static enum status copy_predictor(const struct import_dlib_options *options,
                                  const struct places *at, struct error *err) {
    char *bytes;
    size_t size;
    if (publish_exists(at->predictor)) {
        say(options, "%s: already there", at->predictor);
        return check_hash(at->predictor, PREDICTOR_SHA256, err);
    }
    enum status status = publish_make_directory(at->face, err);
    if (status == STATUS_OK)
        status = file_read(options->predictor_path, PREDICTOR_BYTES_MAX, &bytes, &size, err);
    if (status != STATUS_OK)
        return status;
    status = file_write(at->predictor, bytes, size, err);
    free(bytes);
    if (status == STATUS_OK)
        say(options, "%s: written", at->predictor);
    return status;
}

/* DIRECTORY/weights.safetensors, and its hash. */
static enum status write_weights(const char *weights_path, const char *directory,
                                 char sha256[DIGEST_TEXT_SIZE], struct error *err) {
    char path[PUBLISH_PATH_MAX];
    struct dlib_file *file;
    enum status status = publish_path(path, err, "%s/weights.safetensors", directory);
    if (status == STATUS_OK)
        status = dlib_file_read(weights_path, &file, err);
    if (status != STATUS_OK)
        return status;
    size_t count;
    const struct safetensors_tensor *tensors = dlib_file_tensors(file, &count);
    status = safetensors_write(path, tensors, count, err);
    dlib_file_release(file);
    return status == STATUS_OK ? digest_file(path, sha256, err) : status;
}

static enum status write_card(const char *directory, const char *sha256, struct error *err) {
    char path[PUBLISH_PATH_MAX];
    size_t size;
    enum status status = publish_path(path, err, "%s/model.json", directory);
    if (status != STATUS_OK)
        return status;
    char *card = dlib_card_format(sha256, &size);
    if (!card)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    status = file_write(path, card, size, err);
    free(card);
    return status;
}

/* Who was measured for the card, so that nothing is reported on the same people. */
static enum status write_calibration_people(const char *directory, struct error *err) {
    char path[PUBLISH_PATH_MAX];
    enum status status = publish_path(path, err, "%s/calibration-people.txt", directory);
    if (status != STATUS_OK || dlib_calibration_people_size == 0)
        return status;
    return file_write(path, dlib_calibration_people, dlib_calibration_people_size, err);
}

/* The evaluation is a measurement of the same weights, so it may also join a version that was
 * imported before it was made. */
static enum status write_evaluation(const char *directory, struct error *err) {
    char path[PUBLISH_PATH_MAX];
    enum status status = publish_path(path, err, "%s/evaluation.json", directory);
    if (status != STATUS_OK || dlib_evaluation_json_size == 0 || publish_exists(path))
        return status;
    return file_write(path, dlib_evaluation_json, dlib_evaluation_json_size, err);
}

/* Whether the version that is there is the one just built: same card (which holds the hash of the
 * weights), and weights of that hash. */
static enum status compare_version(const char *built, const char *there, const char *sha256,
                                   struct error *err) {
    char path[PUBLISH_PATH_MAX], *a, *b;
    size_t a_size, b_size;
    enum status status = publish_path(path, err, "%s/weights.safetensors", there);
    if (status == STATUS_OK)
        status = check_hash(path, sha256, err);
    if (status == STATUS_OK)
        status = publish_path(path, err, "%s/model.json", built);
    if (status == STATUS_OK)
        status = file_read(path, CARD_BYTES_MAX, &a, &a_size, err);
    if (status != STATUS_OK)
        return status;
    status = publish_path(path, err, "%s/model.json", there);
    if (status == STATUS_OK)
        status = file_read(path, CARD_BYTES_MAX, &b, &b_size, err);
    if (status == STATUS_OK) {
        if (a_size != b_size || memcmp(a, b, a_size) != 0)
            status = error_set(err, STATUS_INTERNAL,
                               "%.180s: differs from this import and is not overwritten", path);
        free(b);
    }
    free(a);
    return status;
}

static enum status place_version(const struct import_dlib_options *options, const char *built,
                                 const struct places *at, struct error *err) {
    char sha256[DIGEST_TEXT_SIZE];
    enum status status = write_weights(options->weights_path, built, sha256, err);
    if (status == STATUS_OK)
        status = write_card(built, sha256, err);
    if (status != STATUS_OK)
        return status;
    if (publish_exists(at->version)) {
        status = compare_version(built, at->version, sha256, err);
        if (status == STATUS_OK)
            status = write_evaluation(at->version, err);
        if (status == STATUS_OK)
            say(options, "%s: already there", at->version);
        return status;
    }
    status = write_evaluation(built, err);
    if (status == STATUS_OK)
        status = write_calibration_people(built, err);
    if (status == STATUS_OK)
        status = publish_finish(built, at->version, err);
    if (status == STATUS_OK)
        say(options, "%s: written", at->version);
    return status;
}

static enum status publish_version(const struct import_dlib_options *options,
                                   const struct places *at, struct error *err) {
    char built[PUBLISH_PATH_MAX];
    enum status status = publish_make_directory(at->models, err);
    if (status == STATUS_OK)
        status = publish_begin(at->models, built, err);
    if (status != STATUS_OK)
        return status;
    status = place_version(options, built, at, err);
    publish_abandon(built); /* nothing is there under this name once it is published */
    return status;
}

enum status import_dlib(const struct import_dlib_options *options, struct error *err) {
    struct places at;
    enum status status = find_places(options->data_directory, &at, err);
    if (status == STATUS_OK)
        status = check_hash(options->weights_path, WEIGHTS_SHA256, err);
    if (status == STATUS_OK)
        status = check_hash(options->predictor_path, PREDICTOR_SHA256, err);
    if (status == STATUS_OK)
        status = copy_predictor(options, &at, err);
    if (status == STATUS_OK)
        status = publish_version(options, &at, err);
    /* Whoever promoted another version since keeps it. */
    if (status == STATUS_OK && !publish_exists(at.active)) {
        status = file_write(at.active, "1\n", 2, err);
        if (status == STATUS_OK)
            say(options, "%s: 1", at.active);
    }
    return status;
}
