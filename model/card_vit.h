/* The shape of a vision transformer of timm's family: the "network" object of a card whose
 * architecture is "vit". What it does not name is fixed in that family: square patches, LayerNorm
 * with epsilon 1e-6 before attention and before the MLP, the exact (erf) GELU, a biased projection.
 */
#ifndef FACEPAIR_MODEL_CARD_VIT_H
#define FACEPAIR_MODEL_CARD_VIT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    CARD_VIT_PATCH_MAX = 64,
    CARD_VIT_WIDTH_MAX = 4096,
    CARD_VIT_DEPTH_MAX = 64,
    CARD_VIT_HIDDEN_MAX = 16384,
    CARD_VIT_REGISTERS_MAX = 64
};

struct card_vit {
    uint32_t patch;     /* side of a patch in pixels; divides the input's side */
    uint32_t width;     /* numbers a token; the embedding's length */
    uint32_t depth;     /* blocks */
    uint32_t heads;     /* divides width */
    uint32_t hidden;    /* width of the MLP's inner layer */
    uint32_t registers; /* register tokens, after the class token and before the patches */
    bool class_token;
    /* The position embedding has rows for class token and registers too (timm: not
     * no_embed_class). */
    bool position_on_prefix;
    bool pool_class_token; /* the embedding is the class token; else the mean of the patches */
    bool norm_after_pool;  /* timm's fc_norm; else its norm, over every token */
    bool layer_scale;
    bool qkv_bias;
};

/* Class token and registers: what stands before the patches. */
static inline uint32_t card_vit_prefix(const struct card_vit *vit) {
    return vit->registers + (vit->class_token ? 1 : 0);
}

struct json_node;
struct json_writer;
/* Faults go to the node's reader. side: the input's. */
void card_vit_read(const struct json_node *network, uint32_t side, struct card_vit *vit);
/* The members; the caller has opened the object. */
void card_vit_write(struct json_writer *json, const struct card_vit *vit);

#ifdef __cplusplus
}
#endif
#endif
