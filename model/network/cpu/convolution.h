/* A convolution by direct summation, with bias and relu, optionally added to what its output holds.
 *
 * The receptive field of one output pixel is a few runs of contiguous floats (3×3 over a map: three
 * runs of 3 × channels), the same for every pixel but for where they begin. So a convolution is a
 * list of runs, and stride and padding are only other beginnings.
 *
 * Weights are kept as [out / B][runs' floats][B], where B is CHANNELS_BLOCK (vector.h).
 */
#ifndef FACEPAIR_MODEL_NETWORK_CPU_CONVOLUTION_H
#define FACEPAIR_MODEL_NETWORK_CPU_CONVOLUTION_H

#include "model/network/cpu/instructions.h"
#include "model/network/cpu/map.h"
#include "server/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONVOLUTION_RUNS_MAX = 21 };

struct convolution {
    size_t channels; /* of the output: a multiple of CHANNELS_BLOCK */
    size_t runs_count, run_length;
    size_t runs[CONVOLUTION_RUNS_MAX]; /* floats from a pixel's beginning */
    size_t pixels;                     /* of one output */
    uint32_t *in_at, *out_at;          /* (pixels): floats from the map's (or image's) beginning */
    float *weights, *bias;
};

/* weights (out, in, 3, 3), bias (out). The result has (in->side + 2 × padding − 3) / stride + 1
 * pixels a side, and is written to the upper left of `out`, which may be larger. padding is 0 or 1.
 * false: out of memory. */
bool convolution_open(struct convolution *convolution, const float *weights, const float *bias,
                      const struct map *in, const struct map *out, size_t stride, size_t padding);
/* Over an image of three planes (3, side, side): `kernel` × `kernel`, without padding; one row of
 * the result, (columns, channels), at a time. */
bool convolution_open_planes(struct convolution *convolution, const float *weights,
                             const float *bias, size_t channels, size_t side, size_t kernel,
                             size_t stride);
void convolution_close(struct convolution *convolution); /* of zeros: nothing to do */

/* n maps: out = relu(convolution(in) + bias), or with `add` relu(convolution(in) + bias + out). */
void convolution_run(const struct convolution *convolution, const float *in, size_t in_stride,
                     float *out, size_t out_stride, size_t n, bool add);

#endif
