/* What image.c asks of the format files, and what those share. Private to model/image.
 *
 * Each format has two functions. _frame reads the header alone and allocates nothing for pixels, so
 * that image.c can check every limit; _pixels decodes, and is only called with the frame that
 * _frame gave for the same bytes once the limits have passed. When _pixels fails, the caller
 * releases whatever the raster holds. Both may be called from any thread.
 *
 * Memory: the only buffers that grow with the picture are the raster (3 bytes a decoded pixel), a
 * second one while it is rotated by a quarter turn or while an interlaced PNG is shrunk, 4 bytes a
 * decoded pixel of a WebP with alpha, and inside the libraries: libjpeg's coefficients of a
 * progressive file (2 bytes a sample, at most 8 a pixel), libwebp's decoder of a lossless file (4
 * bytes a pixel, and tables of as much once more and 64 MiB: webp_memory.h). The limits bound them
 * all. What is ours is overwritten before it is freed; the libraries free theirs without. The
 * rasters and the picture with alpha come from the caller's spare.
 */
#ifndef FACEPAIR_MODEL_IMAGE_CODEC_H
#define FACEPAIR_MODEL_IMAGE_CODEC_H

#include "model/image/image.h"

#include <stdbool.h>

/* As stored in the file, before its orientation is applied. */
struct image_frame {
    uint32_t width, height;
    unsigned orientation; /* EXIF 1 to 8; 1 where the file has none */
};

/* (height, width, 3), rows without padding; rgb from `spare`, which may be NULL. */
struct image_raster {
    uint32_t width, height;
    uint8_t *rgb;
    struct spare *spare;
};

extern const char image_no_memory[]; /* the sentence of STATUS_INTERNAL */

/* Allocates rgb for width × height from the raster's spare, all that it must have set.
 * STATUS_INTERNAL without memory. */
enum status image_raster_create(uint32_t width, uint32_t height, struct image_raster *raster,
                                struct error *err);
/* Overwrites and gives back; all but the spare is zeroed. A zeroed raster is allowed. */
void image_raster_release(struct image_raster *raster);

/* divisor: 1, 2, 4 or 8; the raster's sides are the frame's ÷ divisor, rounded up. */
enum status image_jpeg_frame(const uint8_t *bytes, size_t size, struct image_frame *frame,
                             struct error *err);
enum status image_jpeg_pixels(const uint8_t *bytes, size_t size, const struct image_frame *frame,
                              unsigned divisor, struct image_raster *raster, struct error *err);
enum status image_png_frame(const uint8_t *bytes, size_t size, struct image_frame *frame,
                            struct error *err);
enum status image_png_pixels(const uint8_t *bytes, size_t size, const struct image_frame *frame,
                             unsigned divisor, struct image_raster *raster, struct error *err);
enum status image_webp_frame(const uint8_t *bytes, size_t size, struct image_frame *frame,
                             struct error *err);
enum status image_webp_pixels(const uint8_t *bytes, size_t size, const struct image_frame *frame,
                              unsigned divisor, struct image_raster *raster, struct error *err);

/* Shrinks rows as they come: open, add every row from the top, flush what a last incomplete group
 * of rows has summed, close. close is needed after a failed open too; target is the caller's. */
struct image_reducer {
    struct image_raster *target;
    uint32_t width;
    unsigned divisor, rows_summed;
    uint32_t rows_written;
    uint16_t *sums; /* (target width, 3) */
    uint8_t *row;   /* (width, 3): room for the row that comes next */
};
enum status image_reducer_open(uint32_t width, uint32_t height, unsigned divisor,
                               struct image_reducer *reducer, struct image_raster *target,
                               struct error *err);
void image_reducer_add(struct image_reducer *reducer, const uint8_t *rgb);
void image_reducer_flush(struct image_reducer *reducer);
void image_reducer_close(struct image_reducer *reducer);
/* The same for a whole raster, which is replaced. */
enum status image_reduce(struct image_raster *raster, unsigned divisor, struct error *err);

/* The orientation (tag 0x0112) in the first directory of an EXIF block, which is a TIFF file
 * ("II*\0…" or "MM\0*…"), an "Exif\0\0" before it skipped. 1 for anything malformed or absent. */
unsigned image_exif_orientation(const uint8_t *exif, size_t size);

/* Turns the raster upright in place (2, 3, 4) or into a new buffer (5 to 8). */
enum status image_orient(struct image_raster *raster, unsigned orientation, struct error *err);

/* Which file this is, by its first bytes. False when it is nothing known: *format and *other are
 * untouched. True: either one of ours in *format and *other NULL, or *other the name of a format
 * that is not supported. */
bool image_sniff(const uint8_t *bytes, size_t size, enum image_format *format, const char **other);

static inline uint32_t image_read_be32(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static inline uint32_t image_read_le32(const uint8_t *bytes) {
    return (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
}

#endif
