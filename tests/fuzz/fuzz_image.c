/* libFuzzer target of model/image: any bytes, no crash, and every pixel of an accepted image can be
 * read. Seeds: tests/images. The limits are low so that a run spends its time in the parsers. */
#include "model/image/image.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static unsigned sum_of(const struct image *image) {
    unsigned sum = 0;
    for (size_t i = 0; i < (size_t)image->width * image->height * 3; i++)
        sum += image->rgb[i];
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const uint32_t long_sides[] = {0, 1, 16, 64};
    struct image_limits limits = IMAGE_LIMITS_DEFAULT;
    struct image_info info;
    struct image image;
    struct error err;
    limits.pixels_max = 1 << 18;
    enum status probed = image_probe(bytes, size, &limits, &info, &err);
    enum status status = image_decode(bytes, size, &limits, long_sides[size % 4], &image, &err);
    if (status == STATUS_OK) {
        volatile unsigned sum = sum_of(&image);
        (void)sum;
        assert(probed == STATUS_OK && info.width == image.info.width);
        image_release(&image);
    } else {
        assert(status == probed || probed == STATUS_OK);
    }
    return 0;
}
