/* Convolutions over maps and planes, by direct summation and by Winograd's transform, against the
 * definition, summed in double precision. */
#include "model/network/cpu/convolution.h"
#include "model/network/cpu/winograd.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct layer {
    size_t in_side, in_channels, out_side, out_channels, stride, padding;
    size_t faces;
    bool add;
};

static float *random_floats(size_t count, float scale) {
    static uint32_t state = 1;
    float *values = malloc(count * sizeof(float));
    assert_non_null(values);
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        values[i] = ((float)(state >> 8) / (float)(1u << 24) - 0.5f) * scale;
    }
    return values;
}

/* Maps whose pixels are random and whose border is zero. */
static float *random_maps(const struct map *map, size_t faces) {
    float *values = random_floats(faces * map_floats(map), 2);
    for (size_t i = 0; i < faces * map->row * map->row; i++) {
        size_t y = i / map->row % map->row, x = i % map->row;
        bool border = y == 0 || x == 0 || y > map->side || x > map->side;
        for (size_t c = 0; border && c < map->channels; c++)
            values[i * map->channels + c] = 0;
    }
    return values;
}

/* The sum at output pixel (y, x) and channel o. */
static double defined(const struct layer *l, const struct map *map, const float *in,
                      const float *weights, const float *bias, size_t y, size_t x, size_t o) {
    double sum = bias[o];
    for (size_t i = 0; i < l->in_channels; i++)
        for (size_t k = 0; k < 9; k++) {
            size_t at = map_at(map, y * l->stride + k / 3 + 1 - l->padding,
                               x * l->stride + k % 3 + 1 - l->padding);
            sum += (double)weights[(o * l->in_channels + i) * 9 + k] * in[at + i];
        }
    return sum;
}

static void run_direct(const struct layer *l, const float *weights, const float *bias,
                       const float *in, float *out) {
    struct map in_map = map_of(l->in_side, l->in_channels);
    struct map out_map = map_of(l->out_side, l->out_channels);
    struct convolution convolution;
    assert_true(
        convolution_open(&convolution, weights, bias, &in_map, &out_map, l->stride, l->padding));
    convolution_run(&convolution, in, map_floats(&in_map), out, map_floats(&out_map), l->faces,
                    l->add);
    convolution_close(&convolution);
}

static void run_winograd(const struct layer *l, const float *weights, const float *bias,
                         const float *in, float *out) {
    struct map in_map = map_of(l->in_side, l->in_channels);
    struct map out_map = map_of(l->out_side, l->out_channels);
    struct winograd winograd;
    assert_true(winograd_open(&winograd, weights, bias, &in_map, &out_map));
    float *scratch = random_floats(winograd_scratch_floats(&winograd, l->faces), 1);
    winograd_run(&winograd, in, map_floats(&in_map), out, map_floats(&out_map), l->faces, l->add,
                 scratch);
    winograd_close(&winograd);
    free(scratch);
}

static void check_by(const struct layer *l, bool transformed) {
    struct map in_map = map_of(l->in_side, l->in_channels);
    struct map out_map = map_of(l->out_side, l->out_channels);
    size_t in_floats = map_floats(&in_map), out_floats = map_floats(&out_map);
    size_t side = (l->in_side + 2 * l->padding - 3) / l->stride + 1;
    float *in = random_maps(&in_map, l->faces);
    float *weights = random_floats(l->out_channels * l->in_channels * 9, 1);
    float *bias = random_floats(l->out_channels, 1);
    float *out = random_floats(l->faces * out_floats, 1),
          *before = malloc(l->faces * out_floats * 4);
    assert_non_null(before);
    memcpy(before, out, l->faces * out_floats * sizeof(float));
    if (transformed)
        run_winograd(l, weights, bias, in, out);
    else
        run_direct(l, weights, bias, in, out);
    for (size_t i = 0; i < l->faces * out_floats; i++) {
        size_t face = i / out_floats, pixel = i % out_floats / l->out_channels;
        size_t y = pixel / out_map.row, x = pixel % out_map.row;
        if (y == 0 || x == 0 || y > side || x > side) {
            assert_true(out[i] == before[i]); /* nothing but the result is written */
            continue;
        }
        double sum = defined(l, &in_map, in + face * in_floats, weights, bias, y - 1, x - 1,
                             i % l->out_channels);
        double wanted = fmax(0, sum + (l->add ? before[i] : 0));
        double most = (transformed ? 4e-6 : 5e-7) * (double)l->in_channels;
        assert_true(fabs(out[i] - wanted) <= most);
    }
    free(in);
    free(weights);
    free(bias);
    free(out);
    free(before);
}

static void check(const struct layer *l) {
    check_by(l, false);
    if (l->stride == 1 && l->padding == 1)
        check_by(l, true);
}

static void a_convolution_that_keeps_the_size(void **state) {
    (void)state;
    for (size_t side = 1; side <= 9; side++)
        check(&(struct layer){side, 32, side, 32, 1, 1, 1, false});
    check(&(struct layer){4, 256, 4, 256, 1, 1, 2, false});
    check(&(struct layer){17, 64, 17, 64, 1, 1, 1, false});
}

static void a_convolution_that_halves_the_size(void **state) {
    (void)state;
    for (size_t side = 3; side <= 9; side++)
        check(&(struct layer){side, 32, (side - 3) / 2 + 1, 64, 2, 0, 1, false});
    check(&(struct layer){8, 128, 3, 256, 2, 0, 3, false});
}

static void the_sum_with_what_is_there(void **state) {
    (void)state;
    check(&(struct layer){5, 32, 5, 32, 1, 1, 1, true});
    check(&(struct layer){3, 64, 4, 64, 1, 1, 2, true}); /* the rest of the larger stays */
    check(&(struct layer){1, 64, 2, 64, 1, 1, 2, true});
}

static void every_number_of_pixels_left_over(void **state) {
    (void)state;
    for (size_t faces = 1; faces <= 13; faces++)
        check(&(struct layer){1, 32, 1, 32, 1, 1, faces, false});
}

static void more_tiles_than_are_transformed_at_once(void **state) {
    (void)state;
    check(&(struct layer){35, 32, 35, 32, 1, 1, 1, true});
    check(&(struct layer){8, 64, 8, 64, 1, 1, 17, false});
}

static void a_convolution_over_planes_row_by_row(void **state) {
    (void)state;
    enum { SIDE = 15, KERNEL = 7, CHANNELS = 32, COLUMNS = 5 };
    float *in = random_floats(3 * SIDE * SIDE, 2), *bias = random_floats(CHANNELS, 1);
    float *weights = random_floats(CHANNELS * 3 * KERNEL * KERNEL, 1);
    float out[COLUMNS * CHANNELS];
    struct convolution convolution;
    assert_true(convolution_open_planes(&convolution, weights, bias, CHANNELS, SIDE, KERNEL, 2));
    for (size_t y = 0; y < COLUMNS; y++) {
        convolution_run(&convolution, in + 2 * y * SIDE, 0, out, 0, 1, false);
        for (size_t i = 0; i < COLUMNS * CHANNELS; i++) {
            size_t x = i / CHANNELS, o = i % CHANNELS;
            double sum = bias[o];
            for (size_t k = 0; k < 3 * KERNEL * KERNEL; k++) {
                size_t plane = k / (KERNEL * KERNEL), ky = k / KERNEL % KERNEL, kx = k % KERNEL;
                sum += (double)weights[o * 3 * KERNEL * KERNEL + k] *
                       in[(plane * SIDE + 2 * y + ky) * SIDE + 2 * x + kx];
            }
            assert_true(fabs(out[i] - fmax(0, sum)) <= 1e-5);
        }
    }
    convolution_close(&convolution);
    free(in);
    free(bias);
    free(weights);
}

/* The instruction set that this program is compiled for. */
int main(int argc, char **argv) {
    enum { SKIPPED = 77 };
    bool wide = argc > 1 && strcmp(argv[1], "avx512") == 0;
    if (wide && !__builtin_cpu_supports("avx512vl"))
        return SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_convolution_that_keeps_the_size),
        cmocka_unit_test(a_convolution_that_halves_the_size),
        cmocka_unit_test(the_sum_with_what_is_there),
        cmocka_unit_test(every_number_of_pixels_left_over),
        cmocka_unit_test(more_tiles_than_are_transformed_at_once),
        cmocka_unit_test(a_convolution_over_planes_row_by_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
