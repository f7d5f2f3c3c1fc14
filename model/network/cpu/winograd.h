/* A 3×3 convolution of stride 1 and padding 1 by Winograd's minimal filtering F(4×4, 3×3): 36
 * products for 16 outputs, where direct summation takes 144. For maps whose side is near a multiple
 * of 4. What it computes is what convolution.h does; the rounding is some ten times coarser.
 */
#ifndef FACEPAIR_MODEL_NETWORK_CPU_WINOGRAD_H
#define FACEPAIR_MODEL_NETWORK_CPU_WINOGRAD_H

#include "model/network/cpu/instructions.h"
#include "model/network/cpu/map.h"

#include <stdbool.h>
#include <stddef.h>

struct winograd {
    struct map in, out;
    size_t tiles;          /* of one map: (side / 4, rounded up)² */
    float *weights, *bias; /* weights: [36][out / B][in][B], as convolution.h's */
};

/* weights (out, in, 3, 3), bias (out). The result, of in's side, is written to the upper left of
 * `out`, which may be larger. Channels are multiples of CHANNELS_BLOCK. false: out of memory. */
bool winograd_open(struct winograd *winograd, const float *weights, const float *bias,
                   const struct map *in, const struct map *out);
void winograd_close(struct winograd *winograd); /* of zeros: nothing to do */

/* What a run over n maps works in; it leaves numbers there. */
size_t winograd_scratch_floats(const struct winograd *winograd, size_t n);

/* n maps: out = relu(convolution(in) + bias), or with `add` relu(convolution(in) + bias + out). */
void winograd_run(const struct winograd *winograd, const float *in, size_t in_stride, float *out,
                  size_t out_stride, size_t n, bool add, float *scratch);

#endif
