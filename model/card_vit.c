#include "model/card_vit.h"

#include "model/json.h"

#include <string.h>

static uint32_t read_size(const struct json_node *network, const char *name, int64_t min,
                          int64_t max) {
    int64_t size = 0;
    json_read_integer(network, name, min, max, &size);
    return (uint32_t)size;
}

/* One of two words; true for the second. */
static bool read_either(const struct json_node *network, const char *name, const char *first,
                        const char *second) {
    char word[32] = "";
    json_read_text(network, name, word, sizeof(word));
    if (word[0] && strcmp(word, first) != 0 && strcmp(word, second) != 0)
        json_fault(network, "%s \"%s\" is neither \"%s\" nor \"%s\"", name, word, first, second);
    return strcmp(word, second) == 0;
}

/* Sizes that were at fault are zero here, and the reader has its fault already. */
static void check(const struct json_node *network, uint32_t side, const struct card_vit *vit) {
    if (vit->patch && side % vit->patch != 0)
        json_fault(network, "the input's side %u is not a multiple of the patch %u", side,
                   vit->patch);
    if (vit->heads && vit->width % vit->heads != 0)
        json_fault(network, "the width %u is not a multiple of the heads %u", vit->width,
                   vit->heads);
    if (vit->pool_class_token && !vit->class_token)
        json_fault(network, "pooling \"class-token\" needs a class token");
}

void card_vit_read(const struct json_node *network, uint32_t side, struct card_vit *vit) {
    *vit = (struct card_vit){
        .patch = read_size(network, "patch", 1, CARD_VIT_PATCH_MAX),
        .width = read_size(network, "width", 1, CARD_VIT_WIDTH_MAX),
        .depth = read_size(network, "depth", 1, CARD_VIT_DEPTH_MAX),
        .heads = read_size(network, "heads", 1, CARD_VIT_WIDTH_MAX),
        .hidden = read_size(network, "hidden", 1, CARD_VIT_HIDDEN_MAX),
        .registers = read_size(network, "registers", 0, CARD_VIT_REGISTERS_MAX),
        .position_on_prefix = read_either(network, "position", "patches", "all"),
        .pool_class_token = read_either(network, "pooling", "mean", "class-token"),
        .norm_after_pool = read_either(network, "norm", "before-pooling", "after-pooling"),
    };
    json_read_bool(network, "class_token", &vit->class_token);
    json_read_bool(network, "layer_scale", &vit->layer_scale);
    json_read_bool(network, "qkv_bias", &vit->qkv_bias);
    check(network, side, vit);
}

void card_vit_write(struct json_writer *json, const struct card_vit *vit) {
    json_write_integer(json, "patch", vit->patch);
    json_write_integer(json, "width", vit->width);
    json_write_integer(json, "depth", vit->depth);
    json_write_integer(json, "heads", vit->heads);
    json_write_integer(json, "hidden", vit->hidden);
    json_write_integer(json, "registers", vit->registers);
    json_write_text(json, "position", vit->position_on_prefix ? "all" : "patches");
    json_write_text(json, "pooling", vit->pool_class_token ? "class-token" : "mean");
    json_write_text(json, "norm", vit->norm_after_pool ? "after-pooling" : "before-pooling");
    json_write_bool(json, "class_token", vit->class_token);
    json_write_bool(json, "layer_scale", vit->layer_scale);
    json_write_bool(json, "qkv_bias", vit->qkv_bias);
}
