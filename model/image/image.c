/* The way of a photograph's bytes: its size, its format, its header, the limits, its pixels, its
 * orientation. Nothing is allocated for pixels before the limits have passed. */
#include "model/image/image.h"

#include "model/image/codec.h"

#include <assert.h>
#include <inttypes.h>

const char image_no_memory[] = "There is not enough memory to decode the image.";

const char *image_format_name(enum image_format format) {
    static const char *const names[] = {
        [IMAGE_JPEG] = "jpeg", [IMAGE_PNG] = "png", [IMAGE_WEBP] = "webp"};
    assert((size_t)format < sizeof names / sizeof *names);
    return names[format];
}

enum status image_raster_create(uint32_t width, uint32_t height, struct image_raster *raster,
                                struct error *err) {
    raster->width = width;
    raster->height = height;
    raster->rgb = NULL;
    size_t pixels;
    if (width == 0 || height == 0 || __builtin_mul_overflow((size_t)width, height, &pixels) ||
        pixels > SIZE_MAX / 3 || !(raster->rgb = spare_take(raster->spare, pixels * 3)))
        return error_set(err, STATUS_INTERNAL, "%s", image_no_memory);
    return STATUS_OK;
}

void image_raster_release(struct image_raster *raster) {
    spare_give(raster->spare, raster->rgb, (size_t)raster->width * raster->height * 3);
    *raster = (struct image_raster){.spare = raster->spare};
}

static enum status check_bytes(size_t size, const struct image_limits *limits, struct error *err) {
    if (size == 0)
        return error_set(err, STATUS_INVALID_IMAGE,
                         "The image is empty: send a JPEG, PNG or WebP file.");
    if (size > limits->bytes_max)
        return error_set(
            err, STATUS_IMAGE_TOO_LARGE,
            "The image file has %zu bytes and at most %zu are accepted: send a smaller "
            "or more compressed one.",
            size, limits->bytes_max);
    return STATUS_OK;
}

static enum status check_frame(const struct image_frame *frame, const struct image_limits *limits,
                               struct error *err) {
    uint32_t width = frame->width, height = frame->height;
    uint32_t longer = width > height ? width : height, shorter = width > height ? height : width;
    if (longer > limits->side_max || (uint64_t)width * height > limits->pixels_max)
        return error_set(err, STATUS_IMAGE_TOO_LARGE,
                         "The image is %" PRIu32 " × %" PRIu32 " pixels; at most %" PRIu32
                         " a side and %" PRIu64 " in all are accepted: scale it down.",
                         width, height, limits->side_max, limits->pixels_max);
    if (longer > (uint64_t)shorter * limits->aspect_max)
        return error_set(err, STATUS_IMAGE_TOO_LARGE,
                         "The image is %" PRIu32 " × %" PRIu32
                         " pixels; its longer side may be at most %" PRIu32
                         " times the shorter: crop it around the face.",
                         width, height, limits->aspect_max);
    return STATUS_OK;
}

static enum status read_format(const uint8_t *bytes, size_t size, enum image_format *format,
                               struct error *err) {
    const char *other;
    if (!image_sniff(bytes, size, format, &other))
        return error_set(err, STATUS_INVALID_IMAGE,
                         "The file is not an image that is recognised: send a JPEG, PNG or WebP "
                         "file.");
    if (other)
        return error_set(err, STATUS_UNSUPPORTED_IMAGE_FORMAT,
                         "The file is %s, which is not supported: convert it to JPEG, PNG or WebP.",
                         other);
    return STATUS_OK;
}

/* Everything that can be refused without decoding a pixel. */
static enum status read_frame(const uint8_t *bytes, size_t size, const struct image_limits *limits,
                              enum image_format *format, struct image_frame *frame,
                              struct error *err) {
    enum status status = check_bytes(size, limits, err);
    if (status == STATUS_OK)
        status = read_format(bytes, size, format, err);
    if (status != STATUS_OK)
        return status;
    switch (*format) {
    case IMAGE_JPEG:
        status = image_jpeg_frame(bytes, size, frame, err);
        break;
    case IMAGE_PNG:
        status = image_png_frame(bytes, size, frame, err);
        break;
    case IMAGE_WEBP:
        status = image_webp_frame(bytes, size, frame, err);
        break;
    }
    return status == STATUS_OK ? check_frame(frame, limits, err) : status;
}

static struct image_info info_of(enum image_format format, const struct image_frame *frame) {
    bool exchanged = frame->orientation >= 5;
    return (struct image_info){
        .format = format,
        .width = exchanged ? frame->height : frame->width,
        .height = exchanged ? frame->width : frame->height,
    };
}

enum status image_probe(const uint8_t *bytes, size_t size, const struct image_limits *limits,
                        struct image_info *info, struct error *err) {
    enum image_format format;
    struct image_frame frame;
    enum status status = read_frame(bytes, size, limits, &format, &frame, err);
    if (status == STATUS_OK)
        *info = info_of(format, &frame);
    return status;
}

static unsigned divisor_for(const struct image_frame *frame, uint32_t long_side_min) {
    uint32_t long_side = frame->width > frame->height ? frame->width : frame->height;
    unsigned divisor = long_side_min == 0 ? 1 : 8;
    while (divisor > 1 && (long_side + divisor - 1) / divisor < long_side_min)
        divisor /= 2;
    return divisor;
}

static enum status read_pixels(const uint8_t *bytes, size_t size, enum image_format format,
                               const struct image_frame *frame, unsigned divisor,
                               struct image_raster *raster, struct error *err) {
    switch (format) {
    case IMAGE_JPEG:
        return image_jpeg_pixels(bytes, size, frame, divisor, raster, err);
    case IMAGE_PNG:
        return image_png_pixels(bytes, size, frame, divisor, raster, err);
    case IMAGE_WEBP:
        return image_webp_pixels(bytes, size, frame, divisor, raster, err);
    }
    assert(!"a format without a decoder");
    return STATUS_INTERNAL;
}

enum status image_decode(const uint8_t *bytes, size_t size, const struct image_limits *limits,
                         uint32_t long_side_min, struct spare *spare, struct image *image,
                         struct error *err) {
    enum image_format format;
    struct image_frame frame;
    struct image_raster raster = {.spare = spare};
    enum status status = read_frame(bytes, size, limits, &format, &frame, err);
    if (status != STATUS_OK)
        return status;
    status =
        read_pixels(bytes, size, format, &frame, divisor_for(&frame, long_side_min), &raster, err);
    if (status == STATUS_OK)
        status = image_orient(&raster, frame.orientation, err);
    if (status != STATUS_OK) {
        image_raster_release(&raster);
        return status;
    }
    *image = (struct image){.info = info_of(format, &frame),
                            .width = raster.width,
                            .height = raster.height,
                            .rgb = raster.rgb,
                            .spare = spare};
    return STATUS_OK;
}

void image_release(struct image *image) {
    struct image_raster raster = {image->width, image->height, image->rgb, image->spare};
    image_raster_release(&raster);
    *image = (struct image){0};
}
