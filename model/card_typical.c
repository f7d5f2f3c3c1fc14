#include "model/card_typical.h"

#include <stdlib.h>

static const double COMPONENT_MAX = 1e9, DISTANCE_MAX = 1e9;

void card_typical_read(const struct json_node *root, uint32_t embedding_length,
                       struct card_typical *typical) {
    if (!json_read_has(root, "typical"))
        return;
    struct json_node node = json_read_object(root, "typical");
    typical->mean = calloc(embedding_length ? embedding_length : 1, sizeof(float));
    if (!typical->mean) {
        json_fault(&node, "out of memory");
        return;
    }
    json_read_floats(&node, "mean", -COMPONENT_MAX, COMPONENT_MAX, embedding_length, typical->mean);
    json_read_real(&node, "distance_min", 0, DISTANCE_MAX, &typical->distance_min);
    json_read_real(&node, "share", 0, 1, &typical->share);
}

void card_typical_write(struct json_writer *json, const struct card_typical *typical,
                        uint32_t embedding_length, const char *source) {
    if (!typical->mean) {
        json_write_null(json, "typical");
        return;
    }
    json_write_object(json, "typical");
    json_write_array(json, "mean");
    for (uint32_t i = 0; i < embedding_length; i++)
        json_write_float(json, NULL, typical->mean[i]);
    json_write_end(json);
    json_write_short(json, "distance_min", typical->distance_min);
    json_write_short(json, "share", typical->share);
    json_write_text(json, "source", source);
    json_write_end(json);
}

void card_typical_release(struct card_typical *typical) {
    free(typical->mean);
    *typical = (struct card_typical){0};
}
