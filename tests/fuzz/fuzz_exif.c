/* Any bytes as an EXIF block: alone, and as a JPEG carries it, where the answer must be the same
 * one. */
#include "model/image/codec.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { BLOCK_MAX = 4096 };

static const uint8_t begin[] = {0xff, 0xd8, 0xff, 0xe1};
/* A baseline header of 8 × 8 grey pixels, and the beginning of its scan. */
static const uint8_t frame[] = {0xff, 0xc0, 0,    11, 8, 0, 8, 0, 8, 1,  1, 0x11,
                                0,    0xff, 0xda, 0,  8, 1, 1, 0, 0, 63, 0};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    uint8_t jpeg[sizeof begin + 2 + BLOCK_MAX + sizeof frame], *at = jpeg;
    unsigned orientation = image_exif_orientation(bytes, size);
    assert(orientation >= 1 && orientation <= 8);
    if (size < 6 || size > BLOCK_MAX || memcmp(bytes, "Exif\0\0", 6) != 0)
        return 0;
    at = mempcpy(at, begin, sizeof begin);
    *at++ = (uint8_t)((size + 2) >> 8);
    *at++ = (uint8_t)(size + 2);
    at = mempcpy(at, bytes, size);
    at = mempcpy(at, frame, sizeof frame);
    struct image_frame found;
    struct error err;
    enum status status = image_jpeg_frame(jpeg, (size_t)(at - jpeg), &found, &err);
    assert(status == STATUS_OK && found.width == 8 && found.orientation == orientation);
    return 0;
}
