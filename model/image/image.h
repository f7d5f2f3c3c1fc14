/* Bytes of a photograph -> upright RGB in memory.
 *
 * The bytes decide the format (a name or a declared type is never looked at). Every limit is
 * checked on the header, before anything is allocated for pixels. EXIF orientation 1 to 8 is
 * applied; alpha is laid over white; 16 bits a channel become 8; CMYK and YCCK become RGB; colour
 * profiles and gamma are not applied. A picture larger than needed is decoded at 1/2, 1/4 or 1/8: a
 * JPEG inside the DCT, a PNG row by row, a WebP by its own decoder. All functions may be called
 * from any thread; nothing is kept between calls.
 *
 * What a call may cost at the default limits, on one core (tests/bench/decode.py): a 12-megapixel
 * JPEG some 20 ms, a progressive one some 90 ms; a file of 50 megapixels made to be expensive some
 * 2 s and 450 MiB (progressive CMYK).
 */
#ifndef FACEPAIR_MODEL_IMAGE_IMAGE_H
#define FACEPAIR_MODEL_IMAGE_IMAGE_H

#include "server/spare.h"
#include "server/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum image_format { IMAGE_JPEG, IMAGE_PNG, IMAGE_WEBP };

struct image_limits {
    size_t bytes_max;    /* of the file, STATUS_IMAGE_TOO_LARGE beyond: 10 MiB */
    uint64_t pixels_max; /* width × height of the file: 50,000,000 */
    uint32_t side_max;   /* 16,384 pixels */
    uint32_t aspect_max; /* longer side ÷ shorter side: 20 */
};
#define IMAGE_LIMITS_DEFAULT                                                                       \
    ((struct image_limits){                                                                        \
        .bytes_max = 10u << 20, .pixels_max = 50000000, .side_max = 16384, .aspect_max = 20})

struct image_info {
    enum image_format format;
    uint32_t width, height; /* full resolution, upright */
};

struct image {
    struct image_info info;
    uint32_t width, height; /* decoded pixels, upright: info's sizes ÷ 1, 2, 4 or 8, rounded up */
    uint8_t *rgb;           /* (height, width, 3), rows without padding; owned */
    struct spare *spare;    /* where rgb is from, and goes back to; borrowed; NULL: malloc */
};

const char *image_format_name(enum image_format format); /* "jpeg" "png" "webp" */

/* Reads the header alone. STATUS_INVALID_IMAGE, _UNSUPPORTED_IMAGE_FORMAT (err names the format it
 * is), _IMAGE_TOO_LARGE. */
enum status image_probe(const uint8_t *bytes, size_t size, const struct image_limits *limits,
                        struct image_info *info, struct error *err);

/* Decodes at the smallest scale whose long side is still ≥ long_side_min (0: full size), into
 * memory of `spare` (NULL allowed), which must outlive the image. On STATUS_OK the caller owns
 * *image and gives it to image_release. A truncated file is STATUS_INVALID_IMAGE, never a half-grey
 * picture. */
enum status image_decode(const uint8_t *bytes, size_t size, const struct image_limits *limits,
                         uint32_t long_side_min, struct spare *spare, struct image *image,
                         struct error *err);

/* Overwrites the pixels and gives their memory back; a zeroed image is allowed. */
void image_release(struct image *image);

#ifdef __cplusplus
}
#endif
#endif
