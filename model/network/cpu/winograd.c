/* The method (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015): a tile of
 * 6×6 inputs d and a kernel g of 3×3 give 4×4 outputs
 *
 *     Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A
 *
 * with matrices that follow from evaluating polynomials at 0, 1, −1, 2, −2 and ∞. The sum over
 * input channels is taken inside the brackets, so for each of the 36 positions it is a matrix
 * product of (tiles, in) by (in, out): that is where the time goes. G g Gᵀ is computed once, at
 * open, in double precision.
 *
 * Tiles are taken in blocks of at most BLOCK: transform the block's inputs, 36 products, transform
 * the outputs. A block is what of the two transformed tensors is held in the scratch memory.
 */
#include "model/network/cpu/winograd.h"
#include "model/network/cpu/vector.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    KERNEL = 3,
    TILE_IN = MAP_TILE + KERNEL - 1,
    POSITIONS = TILE_IN * TILE_IN,
    BLOCK = 32, /* tiles */
    STAGGER =
        16, /* floats between positions: without, all 36 would fall into one set of the cache */
    ALIGNMENT = 64
};

/* Floats from one position's (tiles, channels) to the next's. */
static size_t position_floats(size_t tiles, size_t channels) { return tiles * channels + STAGGER; }

size_t winograd_scratch_floats(const struct winograd *w, size_t n) {
    size_t tiles = n * w->tiles < BLOCK ? n * w->tiles : BLOCK;
    return POSITIONS *
           (position_floats(tiles, w->in.channels) + position_floats(tiles, w->out.channels));
}

/* G g Gᵀ. */
static void transform_kernel(const float *kernel, double out[POSITIONS]) {
    static const double G[TILE_IN][KERNEL] = {
        {1.0 / 4, 0, 0},
        {-1.0 / 6, -1.0 / 6, -1.0 / 6},
        {-1.0 / 6, 1.0 / 6, -1.0 / 6},
        {1.0 / 24, 1.0 / 12, 1.0 / 6},
        {1.0 / 24, -1.0 / 12, 1.0 / 6},
        {0, 0, 1},
    };
    for (size_t y = 0; y < TILE_IN; y++)
        for (size_t x = 0; x < TILE_IN; x++) {
            double sum = 0;
            for (size_t i = 0; i < (size_t)KERNEL * KERNEL; i++)
                sum += G[y][i / KERNEL] * kernel[i] * G[x][i % KERNEL];
            out[y * TILE_IN + x] = sum;
        }
}

bool winograd_open(struct winograd *w, const float *weights, const float *bias,
                   const struct map *in, const struct map *out) {
    size_t across = (in->side + MAP_TILE - 1) / MAP_TILE, from = in->channels, to = out->channels;
    assert(from % CHANNELS_BLOCK == 0 && to % CHANNELS_BLOCK == 0 && out->side >= in->side);
    *w = (struct winograd){.in = *in, .out = *out, .tiles = across * across};
    w->weights = aligned_alloc(ALIGNMENT, POSITIONS * from * to * sizeof(float));
    w->bias = aligned_alloc(ALIGNMENT, to * sizeof(float));
    if (!w->weights || !w->bias) {
        winograd_close(w);
        return false;
    }
    memcpy(w->bias, bias, to * sizeof(float));
    for (size_t o = 0; o < to; o++)
        for (size_t i = 0; i < from; i++) {
            double transformed[POSITIONS];
            transform_kernel(weights + (o * from + i) * KERNEL * KERNEL, transformed);
            for (size_t p = 0; p < POSITIONS; p++)
                w->weights[((p * (to / CHANNELS_BLOCK) + o / CHANNELS_BLOCK) * from + i) *
                               CHANNELS_BLOCK +
                           o % CHANNELS_BLOCK] = (float)transformed[p];
        }
    return true;
}

void winograd_close(struct winograd *w) {
    free(w->weights);
    free(w->bias);
    *w = (struct winograd){0};
}

/* Bᵀ d; the results stand out_step apart. */
__attribute__((always_inline)) static inline void transform_in(const vector *d, vector *out,
                                                               size_t out_step) {
    vector d1 = d[1], d2 = d[2], d3 = d[3], d4 = d[4];
    vector even = d4 - 4.0f * d2, odd = d3 - 4.0f * d1, even2 = d4 - d2, odd2 = 2.0f * (d3 - d1);
    out[0] = 4.0f * d[0] - 5.0f * d2 + d4;
    out[out_step] = even + odd;
    out[2 * out_step] = even - odd;
    out[3 * out_step] = even2 + odd2;
    out[4 * out_step] = even2 - odd2;
    out[5 * out_step] = 4.0f * d1 - 5.0f * d3 + d[5];
}

/* Aᵀ m. */
__attribute__((always_inline)) static inline void transform_out(const vector *m, vector *out,
                                                                size_t out_step) {
    vector s1 = m[1] + m[2], d1 = m[1] - m[2];
    vector s2 = m[3] + m[4], d2 = m[3] - m[4];
    out[0] = m[0] + s1 + s2;
    out[out_step] = d1 + 2.0f * d2;
    out[2 * out_step] = s1 + 4.0f * s2;
    out[3 * out_step] = d1 + 8.0f * d2 + m[5];
}

/* One tile, whose first pixel is at `in` (in the border, for the first tile) -> 36 positions. */
static void scatter_tile(const struct map *map, const float *in, float *out, size_t out_step) {
    for (size_t c = 0; c < map->channels; c += VECTOR) {
        vector d[POSITIONS], rows[POSITIONS];
#pragma GCC unroll 6
        for (size_t x = 0; x < TILE_IN; x++) {
            for (size_t y = 0; y < TILE_IN; y++)
                d[y] = load(in + map_at(map, y, x) + c);
            transform_in(d, rows + x, TILE_IN);
        }
#pragma GCC unroll 6
        for (size_t y = 0; y < TILE_IN; y++) {
            transform_in(rows + y * TILE_IN, d, 1);
            for (size_t x = 0; x < TILE_IN; x++)
                store(out + (y * TILE_IN + x) * out_step + c, d[x]);
        }
    }
}

/* 36 positions -> the tile's outputs, of which rows × columns are in the map. */
static void gather_tile(const struct winograd *w, const float *in, size_t in_step, float *out,
                        size_t rows, size_t columns, bool add) {
    for (size_t c = 0; c < w->out.channels; c += VECTOR) {
        vector m[TILE_IN], half[MAP_TILE * TILE_IN], result[MAP_TILE], bias = load(w->bias + c);
#pragma GCC unroll 6
        for (size_t x = 0; x < TILE_IN; x++) {
            for (size_t y = 0; y < TILE_IN; y++)
                m[y] = load(in + (y * TILE_IN + x) * in_step + c);
            transform_out(m, half + x, TILE_IN);
        }
        for (size_t y = 0; y < rows; y++) {
            transform_out(half + y * TILE_IN, result, 1);
            for (size_t x = 0; x < columns; x++) {
                float *to = out + map_at(&w->out, y, x) + c;
                vector sum = result[x] + bias;
                store(to, relu(add ? sum + load(to) : sum));
            }
        }
    }
}

/* (pixels, in) by (in, CHANNELS_BLOCK): rows of `in` and `out` stand in_step and out_step floats
 * apart. */
__attribute__((always_inline)) static inline void product(unsigned pixels, const float *in,
                                                          size_t in_step, const float *weights,
                                                          struct ahead ahead, float *out,
                                                          size_t out_step) {
    vector sum[PIXELS_MAX][2];
    const float *at[PIXELS_MAX];
#pragma GCC unroll 6
    for (unsigned p = 0; p < pixels; p++) {
        sum[p][0] = sum[p][1] = (vector){0};
        at[p] = in + p * in_step;
    }
    accumulate(pixels, at, in_step, weights, ahead, sum);
#pragma GCC unroll 6
    for (unsigned p = 0; p < pixels; p++) {
        store(out + p * out_step, sum[p][0]);
        store(out + p * out_step + VECTOR, sum[p][1]);
    }
}

/* The compiler keeps the sums in registers where their number is a constant. */
static void product_of(size_t pixels, const float *in, size_t in_step, const float *weights,
                       struct ahead ahead, float *out, size_t out_step) {
    switch (pixels) {
    case 1:
        product(1, in, in_step, weights, ahead, out, out_step);
        break;
    case 2:
        product(2, in, in_step, weights, ahead, out, out_step);
        break;
    case 3:
        product(3, in, in_step, weights, ahead, out, out_step);
        break;
    case 4:
        product(4, in, in_step, weights, ahead, out, out_step);
        break;
    case 5:
        product(5, in, in_step, weights, ahead, out, out_step);
        break;
    default:
        product(6, in, in_step, weights, ahead, out, out_step);
    }
}

/* (36, tiles, in) by (36, in, out) -> (36, tiles, out). */
static void products(const struct winograd *w, size_t tiles, const float *in, float *out) {
    size_t from = w->in.channels, to = w->out.channels, groups = groups_of(tiles);
    const float *weights = w->weights;
    for (size_t p = 0; p < POSITIONS; p++) {
        for (size_t o = 0; o < to; o += CHANNELS_BLOCK) {
            for (size_t group = 0; group < groups; group++) {
                size_t first = group * tiles / groups, end = (group + 1) * tiles / groups;
                product_of(end - first, in + first * from, from, weights,
                           ahead_of(weights, from, group, groups), out + first * to + o, to);
            }
            weights += from * CHANNELS_BLOCK;
        }
        in += position_floats(tiles, from);
        out += position_floats(tiles, to);
    }
}

/* Where a tile of n maps stands. */
struct tile {
    size_t face, y, x; /* of its first output, in pixels */
};

static struct tile tile_at(const struct winograd *w, size_t index) {
    size_t across = (w->in.side + MAP_TILE - 1) / MAP_TILE, in_face = index % w->tiles;
    return (struct tile){index / w->tiles, in_face / across * MAP_TILE,
                         in_face % across * MAP_TILE};
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

void winograd_run(const struct winograd *w, const float *in, size_t in_stride, float *out,
                  size_t out_stride, size_t n, bool add, float *scratch) {
    size_t total = n * w->tiles, blocks = (total + BLOCK - 1) / BLOCK;
    for (size_t block = 0; block < blocks; block++) {
        size_t first = block * total / blocks, tiles = (block + 1) * total / blocks - first;
        size_t from_step = position_floats(tiles, w->in.channels);
        size_t to_step = position_floats(tiles, w->out.channels);
        float *from = scratch, *to = scratch + POSITIONS * from_step;
        for (size_t i = 0; i < tiles; i++) {
            struct tile t = tile_at(w, first + i);
            scatter_tile(&w->in, in + t.face * in_stride + map_at(&w->in, t.y, t.x),
                         from + i * w->in.channels, from_step);
        }
        products(w, tiles, from, to);
        for (size_t i = 0; i < tiles; i++) {
            struct tile t = tile_at(w, first + i);
            gather_tile(w, to + i * w->out.channels, to_step,
                        out + t.face * out_stride + map_at(&w->out, t.y + 1, t.x + 1),
                        smaller(MAP_TILE, w->in.side - t.y), smaller(MAP_TILE, w->in.side - t.x),
                        add);
        }
    }
}
