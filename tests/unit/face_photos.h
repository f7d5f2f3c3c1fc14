/* Photographs for the tests of faces: read from examples/photos, and pasted together. */
#ifndef FACEPAIR_TESTS_UNIT_FACE_PHOTOS_H
#define FACEPAIR_TESTS_UNIT_FACE_PHOTOS_H

#include "model/face/face.h"
#include "model/image/image.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline const char *test_data_directory(void) {
    const char *directory = getenv("FACEPAIR_DATA");
    return directory ? directory : FACEPAIR_SOURCE_DIR "/data";
}

static inline struct face_shape *open_shape(void) {
    char path[4096];
    snprintf(path, sizeof path, "%s/face/shape_predictor_5_face_landmarks.dat",
             test_data_directory());
    struct face_shape *shape = NULL;
    struct error err;
    if (face_shape_open(path, &shape, &err))
        fail_msg("%s (run `make models`, or set FACEPAIR_DATA)", err.detail);
    return shape;
}

static inline uint8_t *read_photo(const char *name, size_t *size) {
    char path[4096];
    snprintf(path, sizeof path, "%s/examples/photos/%s", FACEPAIR_SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot read %s", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = (uint8_t *)malloc(*size);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static inline struct image decode_photo(const char *name, uint32_t long_side_min) {
    size_t size;
    uint8_t *bytes = read_photo(name, &size);
    struct image_limits limits = IMAGE_LIMITS_DEFAULT;
    struct image image;
    memset(&image, 0, sizeof image);
    struct error err;
    if (image_decode(bytes, size, &limits, long_side_min, NULL, &image, &err))
        fail_msg("%s: %s", name, err.detail);
    free(bytes);
    return image;
}

/* width × height pixels of one grey. */
static inline struct image blank_image(uint32_t width, uint32_t height, uint8_t value) {
    struct image image;
    memset(&image, 0, sizeof image);
    image.info.width = image.width = width;
    image.info.height = image.height = height;
    image.rgb = (uint8_t *)malloc((size_t)width * height * 3);
    assert_non_null(image.rgb);
    memset(image.rgb, value, (size_t)width * height * 3);
    return image;
}

/* Lays the part (x, y, width, height) of `from` over the square of `side` pixels at (to_x, to_y),
 * each pixel the mean of what it covers (at least one source pixel). */
static inline void paste(struct image *to, uint32_t to_x, uint32_t to_y, uint32_t side_x,
                         uint32_t side_y, const struct image *from, uint32_t x, uint32_t y,
                         uint32_t width, uint32_t height) {
    for (uint32_t row = 0; row < side_y; row++)
        for (uint32_t column = 0; column < side_x; column++)
            for (int channel = 0; channel < 3; channel++) {
                uint32_t top = y + row * height / side_y, left = x + column * width / side_x;
                uint32_t bottom = y + (row + 1) * height / side_y;
                uint32_t right = x + (column + 1) * width / side_x;
                bottom = bottom > top ? bottom : top + 1;
                right = right > left ? right : left + 1;
                uint32_t sum = 0;
                for (uint32_t i = top; i < bottom; i++)
                    for (uint32_t j = left; j < right; j++)
                        sum += from->rgb[((size_t)i * from->width + j) * 3 + (size_t)channel];
                to->rgb[((size_t)(to_y + row) * to->width + to_x + column) * 3 + (size_t)channel] =
                    (uint8_t)(sum / ((bottom - top) * (right - left)));
            }
}

#endif
