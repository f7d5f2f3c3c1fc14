/* The small photographs of tests/images for the tests of model/image, and the pixels that PIL reads
 * out of them. */
#ifndef FACEPAIR_TESTS_IMAGE_FILES_H
#define FACEPAIR_TESTS_IMAGE_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/image/image.h"

struct file {
    uint8_t *bytes;
    size_t size;
};

/* Still images that decode, one or more of every kind. */
static const char *const image_files[] = {
    "baseline-420.jpg",
    "baseline-422.jpg",
    "baseline-444.jpg",
    "progressive.jpg",
    "restart.jpg",
    "arithmetic.jpg",
    "grey.jpg",
    "grey-progressive.jpg",
    "cmyk.jpg",
    "cmyk-without-adobe.jpg",
    "ycck.jpg",
    "orientation-1.jpg",
    "orientation-2.jpg",
    "orientation-3.jpg",
    "orientation-4.jpg",
    "orientation-5.jpg",
    "orientation-6.jpg",
    "orientation-7.jpg",
    "orientation-8.jpg",
    "grey1.png",
    "grey2.png",
    "grey4.png",
    "grey8.png",
    "grey16.png",
    "grey8-transparent.png",
    "grey-alpha8.png",
    "grey-alpha16.png",
    "palette1.png",
    "palette2.png",
    "palette4.png",
    "palette8.png",
    "palette1-transparent.png",
    "palette2-transparent.png",
    "palette4-transparent.png",
    "palette8-transparent.png",
    "rgb8.png",
    "rgb8-transparent.png",
    "rgba8.png",
    "rgb16.png",
    "rgba16.png",
    "rgb8-interlaced.png",
    "rgba8-interlaced.png",
    "grey1-interlaced.png",
    "png-orientation-6.png",
    "lossy.webp",
    "lossless.webp",
    "lossy-alpha.webp",
    "lossless-alpha.webp",
    "webp-orientation-8.webp",
};
enum { IMAGE_FILES = sizeof image_files / sizeof *image_files };

static inline struct file read_test_image(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/tests/images/%s", FACEPAIR_SOURCE_DIR, name);
    FILE *stream = fopen(path, "rb");
    if (!stream)
        fail_msg("cannot open %s", path);
    struct file file = {.bytes = malloc(1 << 20)};
    assert_non_null(file.bytes);
    file.size = fread(file.bytes, 1, 1 << 20, stream);
    fclose(stream);
    return file;
}

/* A copy in a block of exactly that size, so that a sanitizer sees a read past the end. */
static inline struct file copy_of(const struct file *file, size_t size) {
    struct file copy = {.bytes = malloc(size ? size : 1), .size = size};
    assert_non_null(copy.bytes);
    memcpy(copy.bytes, file->bytes, size);
    return copy;
}

static inline void release_file(struct file *file) { free(file->bytes); }

static inline enum status decode_file(const struct file *file, uint32_t long_side_min,
                                      struct image *image, struct error *err) {
    struct image_limits limits = IMAGE_LIMITS_DEFAULT;
    return image_decode(file->bytes, file->size, &limits, long_side_min, NULL, image, err);
}

/* Where `mark` first stands in the file. */
static inline size_t find_bytes(const struct file *file, const char *mark, size_t length) {
    uint8_t *found = memmem(file->bytes, file->size, mark, length);
    assert_non_null(found);
    return (size_t)(found - file->bytes);
}

#endif
