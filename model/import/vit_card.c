#include "model/import/vit_card.h"

#include "model/json.h"

#define CHIP_PADDING 0.25 /* of dlib's aligned chip, the only one that there is */

static void write_source(struct json_writer *json, const struct vit_card *card) {
    json_write_object(json, "source");
    json_write_text(json, "file", card->source_file);
    json_write_text(json, "sha256", card->source_sha256);
    json_write_text(json, "architecture", card->config->architecture);
    json_write_end(json);
}

static void write_levels(struct json_writer *json, const char *name, const float levels[3]) {
    json_write_array(json, name);
    for (int i = 0; i < 3; i++)
        json_write_float(json, NULL, levels[i]);
    json_write_end(json);
}

static void write_input(struct json_writer *json, const struct vit_card *card) {
    const struct vit_config *config = card->config;
    json_write_object(json, "input");
    json_write_text(json, "kind", card->input == CARD_INPUT_FRAME ? "frame" : "chip");
    json_write_integer(json, "side", config->side);
    if (card->input == CARD_INPUT_FRAME) {
        json_write_text(json, "interpolation", "bicubic");
        json_write_real(json, "crop_pct", config->crop_pct);
    } else {
        json_write_real(json, "padding", CHIP_PADDING);
    }
    write_levels(json, "mean", config->mean);
    write_levels(json, "std", config->std);
    json_write_end(json);
}

static void write_thresholds(struct json_writer *json) {
    json_write_object(json, "thresholds");
    json_write_text(json, "source", "not measured: see `facepair calibrate`");
    json_write_array(json, "values");
    json_write_end(json);
    json_write_end(json);
}

static void write_members(struct json_writer *json, const struct vit_card *card) {
    json_write_integer(json, "format", 1);
    json_write_text(json, "name", card->name);
    json_write_text(json, "version", card->version);
    json_write_text(json, "architecture", "vit");
    json_write_text(json, "description", "a vision transformer, imported");
    json_write_text(json, "license",
                    card->config->license[0] ? card->config->license : "not stated");
    write_source(json, card);
    write_input(json, card);
    json_write_object(json, "network");
    card_vit_write(json, card->vit);
    json_write_end(json);
    json_write_object(json, "embedding");
    json_write_integer(json, "length", card->vit->width);
    json_write_text(json, "distance", "euclidean");
    json_write_end(json);
    json_write_object(json, "weights");
    json_write_text(json, "file", "weights.safetensors");
    json_write_text(json, "sha256", card->weights_sha256);
    json_write_end(json);
    write_thresholds(json);
    json_write_null(json, "probability");
}

char *vit_card_format(const struct vit_card *card, size_t *size) {
    struct json_writer *json = json_writer_create();
    if (!json)
        return NULL;
    json_write_object(json, NULL);
    write_members(json, card);
    json_write_end(json);
    return json_writer_finish(json, size);
}
