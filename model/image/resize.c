/* Separable resampling as Pillow does it: first across, then down, with 8 bits a channel in
 * between.
 *
 * An output pixel is a weighted mean of the input pixels around its centre. The weights are Keys'
 * cubic convolution kernel with a = −1/2 ("Cubic convolution interpolation for digital image
 * processing", 1981), stretched by the scale where the image becomes smaller (that is the
 * antialiasing), normalised to the sum 1 and rounded to 22 bits after the point: the sums of a row
 * of 8-bit values then fit 32 bits, and come out the same on every machine.
 *
 * Only the rows and columns that the crop shows are computed.
 */
#include "model/image/resize.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { WEIGHT_BITS = 22, CHANNELS = 3 };
#define KERNEL_SUPPORT 2.0
#define KERNEL_A (-0.5)

/* Along one axis: for each output pixel the input pixels that it is made of. */
struct axis {
    uint32_t in, out;        /* pixels of the whole image before and after */
    uint32_t first, count;   /* the crop, in output pixels */
    uint32_t most;           /* weights of one output pixel, at most */
    uint32_t *starts, *ends; /* (count) input pixels [start, end) */
    int32_t *weights;        /* (count, most) */
};

static double kernel(double x) {
    x = fabs(x);
    if (x < 1)
        return ((KERNEL_A + 2) * x - (KERNEL_A + 3)) * x * x + 1;
    if (x < 2)
        return (((x - 5) * x + 8) * x - 4) * KERNEL_A;
    return 0;
}

static int32_t fixed_point(double weight) {
    double scaled = weight * (1 << WEIGHT_BITS);
    return (int32_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

/* The weights of the i-th pixel of the crop. real: room for axis->most of them. */
static void weigh(struct axis *axis, uint32_t i, double *real) {
    double scale = (double)axis->in / axis->out, stretch = scale > 1 ? scale : 1;
    double centre = (axis->first + i + 0.5) * scale, reach = KERNEL_SUPPORT * stretch;
    double from = centre - reach + 0.5, to = centre + reach + 0.5;
    uint32_t start = from > 0 ? (uint32_t)from : 0;
    uint32_t end = to < axis->in ? (uint32_t)to : axis->in;
    double sum = 0;
    assert(start < end && end - start <= axis->most);
    for (uint32_t k = 0; k < end - start; k++) {
        real[k] = kernel((start + k - centre + 0.5) * (1 / stretch));
        sum += real[k];
    }
    for (uint32_t k = 0; k < end - start; k++)
        axis->weights[(size_t)i * axis->most + k] = fixed_point(real[k] / sum);
    axis->starts[i] = start;
    axis->ends[i] = end;
}

static void axis_release(struct axis *axis) {
    free(axis->starts);
    free(axis->ends);
    free(axis->weights);
}

/* On false the axis is to be released all the same. */
static bool axis_plan(struct axis *axis) {
    double scale = (double)axis->in / axis->out;
    axis->most = 2 * (uint32_t)ceil(KERNEL_SUPPORT * (scale > 1 ? scale : 1)) + 1;
    axis->starts = calloc(axis->count, sizeof(*axis->starts));
    axis->ends = calloc(axis->count, sizeof(*axis->ends));
    axis->weights = calloc((size_t)axis->count * axis->most, sizeof(*axis->weights));
    double *real = calloc(axis->most, sizeof(*real));
    bool enough = axis->starts && axis->ends && axis->weights && real;
    for (uint32_t i = 0; enough && i < axis->count; i++)
        weigh(axis, i, real);
    free(real);
    return enough;
}

/* torchvision rounds the crop's offset as Python does: a half to the even neighbour. */
static uint32_t crop_offset(uint32_t whole, uint32_t side) {
    uint32_t rest = whole - side, half = rest / 2;
    return half + (rest % 2 && half % 2);
}

static uint8_t to_level(int32_t sum) {
    int32_t level = sum >> WEIGHT_BITS;
    return level < 0 ? 0 : level > 255 ? 255 : (uint8_t)level;
}

/* One output pixel from `count` input pixels that are `stride` bytes apart. */
static void mix(const uint8_t *from, size_t stride, const int32_t *weights, uint32_t count,
                uint8_t *to) {
    int32_t sums[CHANNELS];
    for (int channel = 0; channel < CHANNELS; channel++)
        sums[channel] = 1 << (WEIGHT_BITS - 1);
    for (uint32_t k = 0; k < count; k++, from += stride)
        for (int channel = 0; channel < CHANNELS; channel++)
            sums[channel] += from[channel] * weights[k];
    for (int channel = 0; channel < CHANNELS; channel++)
        to[channel] = to_level(sums[channel]);
}

/* Both passes. between (the rows that `down` reaches, side, 3). */
static void resample(const struct image *image, const struct axis *across, const struct axis *down,
                     uint8_t *between, uint8_t *rgb) {
    uint32_t top = down->starts[0], bottom = down->ends[down->count - 1];
    size_t row = (size_t)across->count * CHANNELS;
    for (uint32_t y = top; y < bottom; y++)
        for (uint32_t x = 0; x < across->count; x++)
            mix(image->rgb + ((size_t)y * image->width + across->starts[x]) * CHANNELS, CHANNELS,
                across->weights + (size_t)x * across->most, across->ends[x] - across->starts[x],
                between + (y - top) * row + (size_t)x * CHANNELS);
    for (uint32_t y = 0; y < down->count; y++)
        for (uint32_t x = 0; x < across->count; x++)
            mix(between + (down->starts[y] - top) * row + (size_t)x * CHANNELS, row,
                down->weights + (size_t)y * down->most, down->ends[y] - down->starts[y],
                rgb + y * row + (size_t)x * CHANNELS);
}

static struct axis axis_of(uint32_t in, uint32_t shorter, uint32_t short_side, uint32_t side) {
    uint32_t out = (uint32_t)((double)((uint64_t)short_side * in) / shorter);
    return (struct axis){.in = in, .out = out, .first = crop_offset(out, side), .count = side};
}

enum status image_resize_crop(const struct image *image, uint32_t short_side, uint32_t side,
                              uint8_t *rgb, struct error *err) {
    assert(side >= 1 && side <= short_side && short_side <= RESIZE_SIDE_MAX);
    uint32_t shorter = image->width < image->height ? image->width : image->height;
    struct axis across = axis_of(image->width, shorter, short_side, side);
    struct axis down = axis_of(image->height, shorter, short_side, side);
    uint8_t *between = NULL;
    size_t bytes = 0;
    bool planned = axis_plan(&across) && axis_plan(&down);
    if (planned) {
        bytes = (size_t)(down.ends[side - 1] - down.starts[0]) * side * CHANNELS;
        between = calloc(bytes + 1, 1); /* no analyser sees that it is filled whole */
    }
    if (between) {
        resample(image, &across, &down, between, rgb);
        explicit_bzero(between, bytes);
        free(between);
    }
    axis_release(&across);
    axis_release(&down);
    return between ? STATUS_OK : error_set(err, STATUS_INTERNAL, "out of memory");
}
