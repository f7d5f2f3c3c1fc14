/* libFuzzer target of model/image, built once for each format: any bytes, no crash, and every pixel
 * of an accepted image can be read. Seeds: tests/images. The limits are low so that a run spends
 * its time in the parsers. An input of another format is given back at once.
 *
 * PNG: the checksums of chunks are made right first when the size is odd: the fuzzer would not find
 * them. */
#include "model/image/codec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static unsigned sum_of(const struct image *image) {
    unsigned sum = 0;
    for (size_t i = 0; i < (size_t)image->width * image->height * 3; i++)
        sum += image->rgb[i];
    return sum;
}

static void decode(const uint8_t *bytes, size_t size) {
    static const uint32_t long_sides[] = {0, 1, 16, 64};
    struct image_limits limits = IMAGE_LIMITS_DEFAULT;
    struct image_info info;
    struct image image;
    struct error err;
    limits.pixels_max = 1 << 18;
    enum status probed = image_probe(bytes, size, &limits, &info, &err);
    enum status status =
        image_decode(bytes, size, &limits, long_sides[size / 2 % 4], NULL, &image, &err);
    if (status == STATUS_OK) {
        volatile unsigned sum = sum_of(&image);
        (void)sum;
        assert(probed == STATUS_OK && info.width == image.info.width);
        assert((uint64_t)image.info.width * image.info.height <= limits.pixels_max);
        image_release(&image);
    } else {
        assert(status == probed || probed == STATUS_OK);
        assert(status != STATUS_INTERNAL);
    }
}

static void mend_checksums(uint8_t *png, size_t size) {
    enum { SIGNATURE = 8, OVERHEAD = 12 };
    for (size_t at = SIGNATURE; size - at >= OVERHEAD;) {
        uint32_t length = image_read_be32(png + at);
        if (length > size - at - OVERHEAD)
            return;
        uint32_t sum = (uint32_t)crc32(0, png + at + 4, 4 + length);
        for (int i = 0; i < 4; i++)
            png[at + 8 + length + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
        at += OVERHEAD + length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    enum image_format format;
    const char *other = NULL;
    if (!image_sniff(bytes, size, &format, &other) || other || format != FUZZ_FORMAT)
        return 0;
    if (format != IMAGE_PNG || size % 2 == 0) {
        decode(bytes, size);
        return 0;
    }
    uint8_t *mended = malloc(size);
    assert(mended);
    memcpy(mended, bytes, size);
    mend_checksums(mended, size);
    decode(mended, size);
    free(mended);
    return 0;
}
