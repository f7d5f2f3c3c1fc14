/* PNG through libpng.
 *
 * Every kind becomes 8-bit RGB: palettes and 1, 2 and 4 bits are expanded, 16 bits are scaled to 8,
 * grey is tripled, alpha (a channel or tRNS) is laid over white, interlacing is undone. Ancillary
 * chunks are skipped unread, so no compressed text or profile is ever inflated, and gamma is left
 * as it is, as other readers of photographs do; tRNS is the exception, held to 1 MiB.
 *
 * libpng reports an error by longjmp to the setjmp in run(). Everything that changes between the
 * two lies in struct png_reader, which outlives the jump; no local variable is read after it.
 *
 * Strictness: every critical chunk's checksum is checked and the file must end with IEND, so that a
 * truncated file is never taken.
 */
#include "model/image/codec.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

enum { INTERLACE_AT = 28 }; /* the last byte of IHDR's data */
enum {
    SIGNATURE_BYTES = 8,
    CHUNK_BYTES_OVERHEAD = 12,
    CHUNK_BYTES_MAX = 1 << 20,
    CHUNKS_MAX = 1024
};

struct png_reader {
    png_structp library;
    png_infop info;
    const uint8_t *bytes;
    size_t size, at;
    const struct image_frame *frame;
    struct image_raster *raster;  /* receives the rows, or reducer's target does */
    struct image_reducer reducer; /* in use when its row is not NULL */
    bool failed;
};

static const char damaged[] = "The PNG is cut short or damaged: send the whole original file.";

static void on_error(png_structp library, png_const_charp message) {
    (void)message; /* libpng's words are for programmers */
    png_longjmp(library, 1);
}

static void on_warning(png_structp library, png_const_charp message) {
    (void)library;
    (void)message;
}

static void on_read(png_structp library, png_bytep target, size_t length) {
    struct png_reader *reader = png_get_io_ptr(library);
    if (length > reader->size - reader->at)
        png_error(library, "truncated");
    memcpy(target, reader->bytes + reader->at, length);
    reader->at += length;
}

static void set_limits(struct png_reader *reader) {
    png_set_user_limits(reader->library, reader->frame->width, reader->frame->height);
    png_set_chunk_cache_max(reader->library, CHUNKS_MAX);
    png_set_chunk_malloc_max(reader->library, CHUNK_BYTES_MAX);
    png_set_keep_unknown_chunks(reader->library, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
}

static void set_transformations(png_structp library, png_infop info) {
    int colours = png_get_color_type(library, info);
    bool alpha = (colours & PNG_COLOR_MASK_ALPHA) || png_get_valid(library, info, PNG_INFO_tRNS);
    png_set_expand(library);
    png_set_scale_16(library);
    if (!(colours & PNG_COLOR_MASK_COLOR))
        png_set_gray_to_rgb(library);
    if (alpha) {
        /* As wide as the file's own samples: libpng lays over white before it scales to 8 bits. */
        png_uint_16 full = png_get_bit_depth(library, info) == 16 ? 0xffff : 0xff;
        png_color_16 white = {.red = full, .green = full, .blue = full, .gray = full};
        png_set_background_fixed(library, &white, PNG_BACKGROUND_GAMMA_SCREEN, 0, PNG_FP_1);
    }
}

static void read_reduced_rows(struct png_reader *reader) {
    struct image_reducer *reducer = &reader->reducer;
    for (uint32_t y = 0; y < reader->frame->height; y++) {
        png_read_row(reader->library, reducer->row, NULL);
        image_reducer_add(reducer, reducer->row);
    }
    image_reducer_flush(reducer);
}

/* Each pass of an interlaced file adds its pixels to the rows of the passes before. */
static void read_whole_rows(struct png_reader *reader, int passes) {
    struct image_raster *raster = reader->raster;
    size_t row_bytes = (size_t)raster->width * 3;
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < raster->height; y++)
            png_read_row(reader->library, raster->rgb + y * row_bytes, NULL);
}

static void step_pixels(struct png_reader *reader) {
    png_structp library = reader->library;
    set_limits(reader);
    png_set_read_fn(library, reader, on_read);
    png_read_info(library, reader->info);
    set_transformations(library, reader->info);
    int passes = png_set_interlace_handling(library);
    png_read_update_info(library, reader->info);
    if (png_get_rowbytes(library, reader->info) != (size_t)reader->frame->width * 3)
        png_error(library, "not RGB");
    if (reader->reducer.row)
        read_reduced_rows(reader);
    else
        read_whole_rows(reader, passes);
    png_read_end(library, NULL);
}

static enum status run(struct png_reader *reader, struct error *err) {
    reader->library = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    if (reader->library)
        reader->info = png_create_info_struct(reader->library);
    enum status status =
        reader->info ? STATUS_OK : error_set(err, STATUS_INTERNAL, "%s", image_no_memory);
    if (status == STATUS_OK) {
        if (setjmp(png_jmpbuf(reader->library)) == 0)
            step_pixels(reader);
        else
            reader->failed = true;
    }
    png_destroy_read_struct(&reader->library, &reader->info, NULL);
    return reader->failed ? error_set(err, STATUS_INVALID_IMAGE, "%s", damaged) : status;
}

/* The eXIf chunk, wherever it stands. Its checksum is not looked at: the worst it can do is turn
 * the picture. */
static unsigned find_orientation(const uint8_t *bytes, size_t size) {
    size_t at = SIGNATURE_BYTES;
    while (size - at >= CHUNK_BYTES_OVERHEAD) {
        size_t length = image_read_be32(bytes + at);
        const uint8_t *type = bytes + at + 4;
        if (length > size - at - CHUNK_BYTES_OVERHEAD || memcmp(type, "IEND", 4) == 0)
            break;
        if (memcmp(type, "eXIf", 4) == 0)
            return image_exif_orientation(type + 4, length);
        at += length + CHUNK_BYTES_OVERHEAD;
    }
    return 1;
}

enum status image_png_frame(const uint8_t *bytes, size_t size, struct image_frame *frame,
                            struct error *err) {
    static const uint8_t header[] = {0, 0, 0, 13, 'I', 'H', 'D', 'R'};
    const uint8_t *chunk = bytes + SIGNATURE_BYTES;
    if (size < SIGNATURE_BYTES + CHUNK_BYTES_OVERHEAD + 13 ||
        memcmp(chunk, header, sizeof header) != 0)
        return error_set(err, STATUS_INVALID_IMAGE, "%s", damaged);
    uint32_t width = image_read_be32(chunk + 8), height = image_read_be32(chunk + 12);
    if (width == 0 || height == 0)
        return error_set(err, STATUS_INVALID_IMAGE, "%s", damaged);
    *frame = (struct image_frame){
        .width = width, .height = height, .orientation = find_orientation(bytes, size)};
    return STATUS_OK;
}

/* An interlaced file needs all its pixels at once and is shrunk afterwards. */
enum status image_png_pixels(const uint8_t *bytes, size_t size, const struct image_frame *frame,
                             unsigned divisor, struct image_raster *raster, struct error *err) {
    bool interlaced = bytes[INTERLACE_AT] != 0;
    bool by_rows = divisor > 1 && !interlaced;
    struct png_reader reader = {.bytes = bytes, .size = size, .frame = frame, .raster = raster};
    enum status status = by_rows ? image_reducer_open(frame->width, frame->height, divisor,
                                                      &reader.reducer, raster, err)
                                 : image_raster_create(frame->width, frame->height, raster, err);
    if (status == STATUS_OK)
        status = run(&reader, err);
    image_reducer_close(&reader.reducer);
    if (status == STATUS_OK && divisor > 1 && interlaced)
        status = image_reduce(raster, divisor, err);
    return status;
}
