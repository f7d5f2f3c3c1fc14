#include "model/network/cpu/convolution.h"
#include "model/network/cpu/vector.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

/* A float and where it stands in the packed weights. */
static void pack(struct convolution *c, size_t out, size_t k, float weight) {
    size_t depth = c->runs_count * c->run_length;
    c->weights[(out / CHANNELS_BLOCK * depth + k) * CHANNELS_BLOCK + out % CHANNELS_BLOCK] = weight;
}

static bool allocate(struct convolution *c, const float *bias) {
    size_t depth = c->runs_count * c->run_length;
    assert(c->channels % CHANNELS_BLOCK == 0 && c->runs_count <= CONVOLUTION_RUNS_MAX);
    c->in_at = calloc(c->pixels, sizeof *c->in_at);
    c->out_at = calloc(c->pixels, sizeof *c->out_at);
    c->weights = aligned_alloc(ALIGNMENT, c->channels * depth * sizeof(float));
    c->bias = aligned_alloc(ALIGNMENT, c->channels * sizeof(float));
    if (!c->in_at || !c->out_at || !c->weights || !c->bias) {
        convolution_close(c);
        return false;
    }
    memcpy(c->bias, bias, c->channels * sizeof(float));
    return true;
}

bool convolution_open(struct convolution *c, const float *weights, const float *bias,
                      const struct map *in, const struct map *out, size_t stride, size_t padding) {
    enum { KERNEL = 3 };
    /* A map of one pixel in its border: eight of the nine taps meet zeros only. */
    size_t first = in->side == 1 && padding == 1 ? 1 : 0, taps = first ? 1 : KERNEL;
    size_t side = (in->side + 2 * padding - KERNEL) / stride + 1;
    *c = (struct convolution){.channels = out->channels,
                              .runs_count = taps,
                              .run_length = taps * in->channels,
                              .pixels = side * side};
    if (!allocate(c, bias))
        return false;
    for (size_t i = 0; i < taps; i++)
        c->runs[i] = map_at(in, i, 0);
    for (size_t i = 0; i < c->pixels; i++) {
        size_t y = i / side, x = i % side, border = 1 - padding + first;
        c->in_at[i] = (uint32_t)map_at(in, y * stride + border, x * stride + border);
        c->out_at[i] = (uint32_t)map_at(out, y + 1, x + 1);
    }
    for (size_t o = 0; o < c->channels; o++)
        for (size_t i = 0; i < in->channels; i++)
            for (size_t ky = 0; ky < taps; ky++)
                for (size_t kx = 0; kx < taps; kx++)
                    pack(c, o, (ky * taps + kx) * in->channels + i,
                         weights[((o * in->channels + i) * KERNEL + ky + first) * KERNEL + kx +
                                 first]);
    return true;
}

bool convolution_open_planes(struct convolution *c, const float *weights, const float *bias,
                             size_t channels, size_t side, size_t kernel, size_t stride) {
    enum { PLANES = 3 };
    *c = (struct convolution){.channels = channels,
                              .runs_count = PLANES * kernel,
                              .run_length = kernel,
                              .pixels = (side - kernel) / stride + 1};
    if (!allocate(c, bias))
        return false;
    for (size_t i = 0; i < c->runs_count; i++)
        c->runs[i] = (i / kernel * side + i % kernel) * side;
    for (size_t i = 0; i < c->pixels; i++) {
        c->in_at[i] = (uint32_t)(i * stride);
        c->out_at[i] = (uint32_t)(i * channels);
    }
    size_t depth = c->runs_count * c->run_length;
    for (size_t o = 0; o < channels; o++)
        for (size_t k = 0; k < depth; k++)
            pack(c, o, k, weights[o * depth + k]);
    return true;
}

void convolution_close(struct convolution *c) {
    free(c->in_at);
    free(c->out_at);
    free(c->weights);
    free(c->bias);
    *c = (struct convolution){0};
}

/* `pixels` pixels by CHANNELS_BLOCK channels. */
__attribute__((always_inline)) static inline void tile(const struct convolution *c, unsigned pixels,
                                                       const float *const *in, float *const *out,
                                                       const float *weights, struct ahead ahead,
                                                       const float *bias, bool add) {
    vector sum[PIXELS_MAX][2];
#pragma GCC unroll 6
    for (unsigned p = 0; p < pixels; p++) {
        sum[p][0] = load(bias);
        sum[p][1] = load(bias + VECTOR);
    }
    for (size_t run = 0; run < c->runs_count; run++) {
        const float *at[PIXELS_MAX];
#pragma GCC unroll 6
        for (unsigned p = 0; p < pixels; p++)
            at[p] = in[p] + c->runs[run];
        accumulate(pixels, at, c->run_length, weights, ahead, sum);
        ahead.next += c->run_length * ahead.step;
        weights += c->run_length * CHANNELS_BLOCK;
    }
#pragma GCC unroll 6
    for (unsigned p = 0; p < pixels; p++) {
        if (add) {
            sum[p][0] += load(out[p]);
            sum[p][1] += load(out[p] + VECTOR);
        }
        store(out[p], relu(sum[p][0]));
        store(out[p] + VECTOR, relu(sum[p][1]));
    }
}

/* The compiler keeps the sums in registers where their number is a constant. */
static void tile_of(const struct convolution *c, size_t pixels, const float *const *in,
                    float *const *out, const float *weights, struct ahead ahead, const float *bias,
                    bool add) {
    switch (pixels) {
    case 1:
        tile(c, 1, in, out, weights, ahead, bias, add);
        break;
    case 2:
        tile(c, 2, in, out, weights, ahead, bias, add);
        break;
    case 3:
        tile(c, 3, in, out, weights, ahead, bias, add);
        break;
    case 4:
        tile(c, 4, in, out, weights, ahead, bias, add);
        break;
    case 5:
        tile(c, 5, in, out, weights, ahead, bias, add);
        break;
    default:
        tile(c, 6, in, out, weights, ahead, bias, add);
    }
}

void convolution_run(const struct convolution *c, const float *in, size_t in_stride, float *out,
                     size_t out_stride, size_t n, bool add) {
    size_t depth = c->runs_count * c->run_length, total = n * c->pixels, groups = groups_of(total);
    for (size_t o = 0; o < c->channels; o += CHANNELS_BLOCK)
        for (size_t group = 0; group < groups; group++) {
            const float *from[PIXELS_MAX];
            float *to[PIXELS_MAX];
            size_t first = group * total / groups, end = (group + 1) * total / groups;
            for (size_t i = first; i < end; i++) {
                size_t face = i / c->pixels, pixel = i % c->pixels;
                from[i - first] = in + face * in_stride + c->in_at[pixel];
                to[i - first] = out + face * out_stride + c->out_at[pixel] + o;
            }
            const float *weights = c->weights + o * depth;
            tile_of(c, end - first, from, to, weights, ahead_of(weights, depth, group, groups),
                    c->bias + o, add);
        }
}
