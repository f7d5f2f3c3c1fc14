/* WebP through libwebp: lossy, lossless, with or without alpha (laid over white). Animations are
 * refused.
 *
 * libwebp reads up to the end of what it is given and may not notice the last bytes missing, so the
 * container is checked first: every chunk of the RIFF file must lie within it and within the file.
 */
#include "model/image/codec.h"
#include "model/image/webp_memory.h"

#include <string.h>
#include <webp/decode.h>

enum { RIFF_BYTES = 12, CHUNK_HEADER_BYTES = 8 };

/* The most that libwebp needs in one piece: a lossless picture has 4 bytes a pixel, with rows to
 * spare, and the tables of 2,600 groups of prefix codes, which are all that its encoder makes, have
 * 42 MiB at most. */
enum { PIECE_PER_PIXEL = 4, PIECE_BESIDE = 64 * 1024 * 1024 };

static const char damaged[] = "The WebP is cut short or damaged: send the whole original file.";

/* Walks the chunks; false when one is cut short. The padding byte after the last chunk of odd
 * length may be absent: some writers forget it. */
static bool read_chunks(const uint8_t *bytes, size_t size, unsigned *orientation) {
    size_t end = (size_t)image_read_le32(bytes + 4) + 8;
    if (end > size)
        return false;
    *orientation = 1;
    size_t at = RIFF_BYTES;
    while (at < end) {
        if (end - at < CHUNK_HEADER_BYTES)
            return false;
        size_t length = image_read_le32(bytes + at + 4);
        if (length > end - at - CHUNK_HEADER_BYTES)
            return false;
        if (memcmp(bytes + at, "EXIF", 4) == 0)
            *orientation = image_exif_orientation(bytes + at + CHUNK_HEADER_BYTES, length);
        at += CHUNK_HEADER_BYTES + length + (length & 1);
    }
    return true;
}

static enum status read_features(const uint8_t *bytes, size_t size, WebPBitstreamFeatures *features,
                                 struct error *err) {
    if (WebPGetFeatures(bytes, size, features) != VP8_STATUS_OK)
        return error_set(err, STATUS_INVALID_IMAGE, "%s", damaged);
    if (features->has_animation)
        return error_set(err, STATUS_UNSUPPORTED_IMAGE_FORMAT,
                         "The file is an animated WebP, which is not supported: send a still "
                         "picture.");
    return STATUS_OK;
}

enum status image_webp_frame(const uint8_t *bytes, size_t size, struct image_frame *frame,
                             struct error *err) {
    WebPBitstreamFeatures features;
    enum status status = read_features(bytes, size, &features, err);
    if (status != STATUS_OK)
        return status;
    unsigned orientation;
    if (!read_chunks(bytes, size, &orientation))
        return error_set(err, STATUS_INVALID_IMAGE, "%s", damaged);
    *frame = (struct image_frame){.width = (uint32_t)features.width,
                                  .height = (uint32_t)features.height,
                                  .orientation = orientation};
    return STATUS_OK;
}

/* libwebp shrinks while it decodes (an area mean), so a lossy picture never stands in memory whole.
 */
static enum status decode(const uint8_t *bytes, size_t size, const struct image_raster *raster,
                          bool shrunk, WEBP_CSP_MODE mode, uint8_t *pixels, struct error *err) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return error_set(err, STATUS_INTERNAL, "libwebp is of another version");
    size_t stride = (size_t)raster->width * (mode == MODE_RGBA ? 4 : 3);
    config.options.use_scaling = shrunk;
    config.options.scaled_width = (int)raster->width;
    config.options.scaled_height = (int)raster->height;
    config.output.colorspace = mode;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = pixels;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = stride * raster->height;
    if (WebPDecode(bytes, size, &config) == VP8_STATUS_OK)
        return STATUS_OK;
    if (webp_memory_outcome() == WEBP_MEMORY_TOO_LARGE)
        return error_set(err, STATUS_IMAGE_TOO_LARGE,
                         "The WebP needs far more memory than a picture of its size: save it as "
                         "JPEG or PNG.");
    if (webp_memory_outcome() == WEBP_MEMORY_NOT_THERE)
        return error_set(err, STATUS_INTERNAL, "%s", image_no_memory);
    return error_set(err, STATUS_INVALID_IMAGE, "%s", damaged);
}

/* Rounds (colour × alpha + 255 × (255 − alpha)) ÷ 255 to nearest, exactly. */
static uint8_t over_white(unsigned colour, unsigned alpha) {
    unsigned sum = colour * alpha + 255 * (255 - alpha) + 128;
    return (uint8_t)((sum + (sum >> 8)) >> 8);
}

static enum status decode_over_white(const uint8_t *bytes, size_t size, bool shrunk,
                                     struct image_raster *raster, struct error *err) {
    size_t pixels = (size_t)raster->width * raster->height;
    uint8_t *rgba = spare_take(raster->spare, pixels * 4);
    if (!rgba)
        return error_set(err, STATUS_INTERNAL, "%s", image_no_memory);
    enum status status = decode(bytes, size, raster, shrunk, MODE_RGBA, rgba, err);
    for (size_t i = 0; status == STATUS_OK && i < pixels; i++)
        for (size_t c = 0; c < 3; c++)
            raster->rgb[i * 3 + c] = over_white(rgba[i * 4 + c], rgba[i * 4 + 3]);
    spare_give(raster->spare, rgba, pixels * 4);
    return status;
}

enum status image_webp_pixels(const uint8_t *bytes, size_t size, const struct image_frame *frame,
                              unsigned divisor, struct image_raster *raster, struct error *err) {
    WebPBitstreamFeatures features;
    bool shrunk = divisor > 1;
    enum status status = read_features(bytes, size, &features, err);
    if (status == STATUS_OK)
        status = image_raster_create((frame->width + divisor - 1) / divisor,
                                     (frame->height + divisor - 1) / divisor, raster, err);
    if (status != STATUS_OK)
        return status;
    webp_memory_limit((uint64_t)frame->width * frame->height * PIECE_PER_PIXEL + PIECE_BESIDE);
    status = features.has_alpha ? decode_over_white(bytes, size, shrunk, raster, err)
                                : decode(bytes, size, raster, shrunk, MODE_RGB, raster->rgb, err);
    webp_memory_limit(UINT64_MAX);
    return status;
}
