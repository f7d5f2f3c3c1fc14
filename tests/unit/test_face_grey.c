/* The grey picture at another size, against its definition computed the slow way. */
#include "model/face/grey.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct image noise(uint32_t width, uint32_t height) {
    struct image image = {.width = width, .height = height};
    size_t bytes = (size_t)width * height * 3;
    image.rgb = malloc(bytes);
    assert_non_null(image.rgb);
    uint32_t seed = width * 31 + height;
    for (size_t i = 0; i < bytes; i++)
        image.rgb[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
    return image;
}

static uint8_t mean(const struct image *image, uint32_t x, uint32_t y) {
    const uint8_t *pixel = image->rgb + ((size_t)y * image->width + x) * 3;
    return (uint8_t)((pixel[0] + pixel[1] + pixel[2]) / 3);
}

static void grey_is_the_mean_of_the_channels_rounded_down(void **state) {
    (void)state;
    struct image image = noise(97, 31);
    memset(image.rgb, 255, 3);
    struct grey grey = {0};
    assert_true(grey_load(&grey, &image, 97, 31));
    for (uint32_t y = 0; y < 31; y++)
        for (uint32_t x = 0; x < 97; x++)
            assert_int_equal(grey.pixels[y * 97 + x], mean(&image, x, y));
    grey_release(&grey);
    free(image.rgb);
}

static double overlap(double from, double to, double pixel) {
    double low = fmax(from, pixel), high = fmin(to, pixel + 1);
    return high > low ? high - low : 0;
}

/* The mean over output pixel (x, y)'s area. */
static double area_mean(const struct image *image, double across, double down, uint32_t x,
                        uint32_t y) {
    double sum = 0;
    for (uint32_t i = 0; i < image->height; i++) {
        double tall = overlap(y * down, (y + 1) * down, i);
        for (uint32_t j = 0; tall > 0 && j < image->width; j++)
            sum += tall * overlap(x * across, (x + 1) * across, j) * mean(image, j, i);
    }
    return sum / (across * down);
}

static void a_reduced_pixel_is_the_mean_of_the_area_it_covers(void **state) {
    (void)state;
    const uint32_t sizes[][2] = {{100, 60}, {101, 59}, {37, 23}, {1, 1}, {103, 1}, {1, 61}};
    struct image image = noise(103, 61);
    struct grey grey = {0};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        uint32_t width = sizes[s][0], height = sizes[s][1];
        assert_true(grey_load(&grey, &image, width, height));
        assert_true(grey.width == width && grey.height == height);
        for (uint32_t y = 0; y < height; y++)
            for (uint32_t x = 0; x < width; x++) {
                double expected = area_mean(&image, 103.0 / width, 61.0 / height, x, y);
                if (fabs(grey.pixels[y * width + x] - expected) > 0.51)
                    fail_msg("%u×%u at (%u, %u): %u instead of %.2f", width, height, x, y,
                             grey.pixels[y * width + x], expected);
            }
    }
    grey_release(&grey);
    free(image.rgb);
}

static double at(const struct image *image, long x, long y) {
    x = x < 0 ? 0 : x >= image->width ? image->width - 1 : x;
    y = y < 0 ? 0 : y >= image->height ? image->height - 1 : y;
    return mean(image, (uint32_t)x, (uint32_t)y);
}

static double bilinear(const struct image *image, double x, double y) {
    long left = (long)floor(x), top = (long)floor(y);
    double across = x - (double)left, down = y - (double)top;
    return (1 - down) * ((1 - across) * at(image, left, top) + across * at(image, left + 1, top)) +
           down * ((1 - across) * at(image, left, top + 1) + across * at(image, left + 1, top + 1));
}

static void an_enlarged_pixel_is_interpolated_between_pixel_centres(void **state) {
    (void)state;
    const uint32_t sizes[][2] = {{80, 44}, {61, 31}, {160, 88}};
    struct image image = noise(40, 22);
    struct grey grey = {0};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        uint32_t width = sizes[s][0], height = sizes[s][1];
        assert_true(grey_load(&grey, &image, width, height));
        for (uint32_t y = 0; y < height; y++)
            for (uint32_t x = 0; x < width; x++) {
                double expected =
                    bilinear(&image, (x + 0.5) * 40 / width - 0.5, (y + 0.5) * 22 / height - 0.5);
                if (fabs(grey.pixels[y * width + x] - expected) > 0.51)
                    fail_msg("%u×%u at (%u, %u): %u instead of %.2f", width, height, x, y,
                             grey.pixels[y * width + x], expected);
            }
    }
    grey_release(&grey);
    free(image.rgb);
}

static void a_frame_is_of_mean_grey(void **state) {
    (void)state;
    struct image image = noise(20, 10);
    unsigned sum = 0;
    for (uint32_t i = 0; i < 200; i++)
        sum += mean(&image, i % 20, i / 20);
    struct grey grey = {0};
    assert_true(grey_load_framed(&grey, &image, 20, 10, 7, 3));
    assert_true(grey.width == 34 && grey.height == 16);
    for (uint32_t y = 0; y < 16; y++)
        for (uint32_t x = 0; x < 34; x++) {
            bool inside = x >= 7 && x < 27 && y >= 3 && y < 13;
            unsigned expected = inside ? mean(&image, x - 7, y - 3) : sum / 200;
            assert_int_equal(grey.pixels[y * 34 + x], expected);
        }
    grey_release(&grey);
    free(image.rgb);
}

static void wiping_leaves_nothing_of_the_picture(void **state) {
    (void)state;
    struct image image = noise(300, 200);
    struct grey grey = {0};
    assert_true(grey_load(&grey, &image, 150, 100));
    grey_wipe(&grey);
    for (size_t i = 0; i < 150 * 100; i++)
        assert_int_equal(grey.pixels[i], 0);
    for (size_t i = 0; i < grey.rows_capacity; i++)
        assert_int_equal(((const uint8_t *)grey.rows)[i], 0);
    grey_release(&grey);
    free(image.rgb);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grey_is_the_mean_of_the_channels_rounded_down),
        cmocka_unit_test(a_reduced_pixel_is_the_mean_of_the_area_it_covers),
        cmocka_unit_test(an_enlarged_pixel_is_interpolated_between_pixel_centres),
        cmocka_unit_test(a_frame_is_of_mean_grey),
        cmocka_unit_test(wiping_leaves_nothing_of_the_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
