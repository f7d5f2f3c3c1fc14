/* A vision transformer in plain loops and double precision, written from the papers' formulas and
 * not from model/network/torch/vit.cpp; and the mistakes that a port is likely to make. */
#ifndef FACEPAIR_TESTS_PARITY_PLAIN_VIT_H
#define FACEPAIR_TESTS_PARITY_PLAIN_VIT_H

#include "model/card_vit.h"
#include "model/safetensors.h"

enum vit_mistake {
    VIT_NO_MISTAKE,
    VIT_TANH_GELU,
    VIT_SWAPPED_QK,
    VIT_SWAPPED_QV,
    VIT_SWAPPED_KV,
    VIT_INTERLEAVED_HEADS, /* a head's numbers are every heads-th one */
    VIT_UNSCALED,          /* no division by √d */
    VIT_POOLED_PREFIX,     /* the mean over registers and class token too */
    VIT_NO_LAYER_SCALE,
    VIT_NO_POSITION,
    VIT_PREFIX_BEHIND, /* the position embedding begins at the prefix when it must not, or not */
    VIT_NO_QKV_BIAS,
    VIT_NORM_ELSEWHERE, /* before pooling in place of after it, or the other way round */
    VIT_TURNED_PATCHES, /* columns before rows inside a patch */
    VIT_MISTAKES
};
extern const char *const VIT_MISTAKE_NAMES[VIT_MISTAKES];

/* face (3, side, side) -> embedding (width). Fails the test when memory runs out or a tensor is
 * missing. */
void plain_vit(const struct card_vit *vit, uint32_t side, const struct safetensors *weights,
               const float *face, enum vit_mistake mistake, double *embedding);

#endif
