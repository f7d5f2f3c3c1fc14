#include "model/import/dlib_model.h"
#include "model/json.h"

#include <math.h>

static void write_source(struct json_writer *json) {
    json_write_object(json, "source");
    json_write_text(json, "file", "dlib_face_recognition_resnet_model_v1.dat");
    json_write_text(json, "sha256",
                    "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30");
    json_write_text(json, "author", "Davis E. King, http://dlib.net/files/");
    json_write_end(json);
}

static void write_triple(struct json_writer *json, const char *name, double a, double b, double c) {
    json_write_array(json, name);
    json_write_real(json, NULL, a);
    json_write_real(json, NULL, b);
    json_write_real(json, NULL, c);
    json_write_end(json);
}

/* The chip and the channel means are those the weights were trained with. */
static void write_input(struct json_writer *json) {
    json_write_object(json, "input");
    json_write_text(json, "kind", "chip");
    json_write_integer(json, "side", 150);
    json_write_real(json, "padding", 0.25);
    write_triple(json, "mean", 122.782, 117.001, 104.298);
    write_triple(json, "std", 256, 256, 256);
    json_write_end(json);
}

static void write_threshold(struct json_writer *json, double fmr, double threshold, double fnmr) {
    json_write_object(json, NULL);
    json_write_real(json, "fmr", fmr);
    json_write_real(json, "threshold", threshold);
    json_write_real(json, "fnmr", fnmr); /* null when not a number */
    json_write_end(json);
}

/* Of every pair of different people, for a program that was built without a calibration. */
static void write_thresholds(struct json_writer *json) {
    json_write_object(json, "thresholds");
    json_write_text(json, "source",
                    "All 29.6 million impostor pairs of the images of LFW View 2 (faces by the HOG "
                    "detector without upsampling, nearest the centre). The pairs are not "
                    "independent: at fmr 1e-4 a bootstrap over people gives a factor of 0.54 to "
                    "1.81.");
    json_write_array(json, "values");
    write_threshold(json, 1e-2, 0.618, NAN);
    write_threshold(json, 1e-3, 0.544, NAN);
    write_threshold(json, 1e-4, 0.4755, 0.32);
    json_write_end(json);
    json_write_end(json);
}

/* What any version of these weights says of its embedding; a calibrated card brings its own. */
static void write_embedding(struct json_writer *json) {
    json_write_object(json, "embedding");
    json_write_integer(json, "length", DLIB_EMBEDDING_LENGTH);
    json_write_text(json, "distance", "euclidean");
    json_write_end(json);
}

static void write_measured(struct json_writer *json, const struct dlib_bytes *measured) {
    static const char *const none[] = {NULL};
    struct json_reader *reader;
    if (measured->size == 0 ||
        json_reader_open(measured->bytes, measured->size, &reader, NULL) != STATUS_OK) {
        write_embedding(json);
        write_thresholds(json);
        json_write_null(json, "probability");
        return;
    }
    struct json_node root = json_root(reader);
    json_copy_members(json, &root, none);
    (void)json_reader_close(reader, NULL); /* nothing was read that could be at fault */
}

bool dlib_model_complete(const struct dlib_model *model) {
    size_t head = (size_t)DLIB_EMBEDDING_LENGTH * DLIB_EMBEDDING_LENGTH * sizeof(float);
    return !model->has_head || (model->head.size == head && model->measured.size > 0);
}

char *dlib_card_format(const struct dlib_model *model, const char *version,
                       const char *weights_sha256, size_t *size) {
    struct json_writer *json = json_writer_create();
    if (!json)
        return NULL;
    json_write_object(json, NULL);
    json_write_integer(json, "format", 1);
    json_write_text(json, "name", model->name);
    json_write_text(json, "version", version);
    json_write_text(json, "architecture", "dlib-resnet");
    json_write_text(json, "description", model->description);
    json_write_text(json, "license", "CC0-1.0");
    write_source(json);
    write_input(json);
    json_write_object(json, "weights");
    json_write_text(json, "file", "weights.safetensors");
    json_write_text(json, "sha256", weights_sha256);
    json_write_end(json);
    write_measured(json, &model->measured);
    json_write_end(json);
    return json_writer_finish(json, size);
}
