/* JPEG through libjpeg-turbo's libjpeg API.
 *
 * Why not its TurboJPEG API: that one reports a warning as a sentence only, and libjpeg turns a
 * truncated file into a warning and grey pixels. Here the warning's code decides (judge_warning):
 * missing or broken picture data ends the decode, while what real cameras and editors leave behind
 * (stray bytes before a marker, an unknown JFIF revision, no end marker after complete data) does
 * not.
 *
 * Errors. libjpeg's error_exit must not return, so it jumps back to the setjmp in run(). Everything
 * that changes between the two lies in struct jpeg_reader, which outlives the jump; no local
 * variable is read after it. A step (a function below run) must not hold anything that needs
 * freeing.
 *
 * Work. Each scan of a progressive file costs a pass over all coefficients, however few bytes it
 * has: a small file with hundreds of scans would cost minutes. scans_max bounds scans × pixels.
 *
 * Scale. libjpeg decodes to 1/2, 1/4 or 1/8 inside the inverse DCT, so a photograph of 12
 * megapixels costs its entropy decoding and little else.
 *
 * CMYK and YCCK. Adobe's programs store the inks inverted and others follow; as browsers and PIL
 * do, they are taken as inverted always. red = cyan' × key' ÷ 255 and so on, no colour profile.
 */
#include "model/image/codec.h"
#include "server/wipe.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* jpeglib.h wants stdio.h before it; jerror.h numbers its messages by jpeglib.h's configuration. */
#include <jpeglib.h>

#include <jerror.h>

/* Encoders write 1 to 4 scans, progressive ones about 10, hand-tuned scripts up to some 20. */
enum { SCANS_MAX = 64, SCANS_MIN = 24 };
static const uint64_t SCAN_PIXELS_MAX = 800000000; /* scans × pixels */

/* What libjpeg may hold: 8 bytes a pixel of coefficients at 50 megapixels, its tables and markers.
 */
static const long MEMORY_BYTES_MAX = 512l << 20;

struct jpeg_reader {
    struct jpeg_decompress_struct library;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    enum status status; /* set before the jump */
    struct error *err;
    bool end_marker_needed, exif_seen;
    unsigned orientation;
    int scans_max;

    const uint8_t *bytes;
    size_t size;
    unsigned divisor;
    struct image_frame *frame;   /* filled by step_header */
    struct image_raster *raster; /* filled by step_pixels */
    uint8_t *inks;               /* a row of CMYK; freed by close */
};

static struct jpeg_reader *reader_of(j_common_ptr library) {
    return (struct jpeg_reader *)library; /* library is the reader's first member */
}

static void fail(struct jpeg_reader *reader, enum status status, const char *sentence) {
    reader->status = error_set(reader->err, status, "%s", sentence);
    longjmp(reader->escape, 1);
}

static void fail_damaged(struct jpeg_reader *reader) {
    fail(reader, STATUS_INVALID_IMAGE,
         "The JPEG is cut short or damaged: send the whole original file.");
}

static void on_error(j_common_ptr library) {
    struct jpeg_reader *reader = reader_of(library);
    switch (library->err->msg_code) {
    case JERR_OUT_OF_MEMORY:
        fail(reader, STATUS_INTERNAL, image_no_memory);
        break;
    case JERR_IMAGE_TOO_BIG:
        fail(reader, STATUS_IMAGE_TOO_LARGE,
             "The JPEG is larger than 65500 pixels a side: scale it down.");
        break;
    case JERR_NO_BACKING_STORE:
        fail(reader, STATUS_IMAGE_TOO_LARGE,
             "The JPEG needs too much memory to decode: save it as baseline JPEG or scale it "
             "down.");
        break;
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_ARITH_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
        fail(reader, STATUS_UNSUPPORTED_IMAGE_FORMAT,
             "The file is JPEG of a rare kind (lossless, hierarchical, 12 bits or an unusual "
             "number of colours): save it as baseline JPEG.");
        break;
    default:
        fail_damaged(reader);
    }
}

/* Which warnings mean that pixels are missing or made up. All others are harmless. */
static void judge_warning(struct jpeg_reader *reader, int code) {
    switch (code) {
    case JWRN_HIT_MARKER:    /* a scan ended before its last block */
    case JWRN_HUFF_BAD_CODE: /* bits that no encoder wrote */
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC: /* a restart interval is missing */
        fail_damaged(reader);
        break;
    case JWRN_JPEG_EOF:
        /* With one scan, complete data without an end marker is a complete picture, and incomplete
         * data is told by HIT_MARKER. With several, the missing scans cannot be told, and an
         * arithmetic decoder reads zeros past the end without a word. */
        if (reader->end_marker_needed)
            fail_damaged(reader);
        break;
    default:
        break;
    }
}

static void on_message(j_common_ptr library, int level) {
    if (level < 0) /* −1: a warning; ≥ 0: a trace */
        judge_warning(reader_of(library), library->err->msg_code);
}

static void on_output(j_common_ptr library) { (void)library; /* libjpeg would write to stderr */ }

static void on_progress(j_common_ptr library) {
    struct jpeg_reader *reader = reader_of(library);
    if (reader->library.input_scan_number > reader->scans_max)
        fail(reader, STATUS_INVALID_IMAGE,
             "The JPEG has more scans than any photograph needs: save it as baseline JPEG.");
}

static int scans_max(uint32_t width, uint32_t height) {
    uint64_t scans = SCAN_PIXELS_MAX / ((uint64_t)width * height);
    return scans > SCANS_MAX ? SCANS_MAX : scans < SCANS_MIN ? SCANS_MIN : (int)scans;
}

/* Reads an APP1 segment where it lies. (jpeg_save_markers would copy each one and walk its list for
 * the next: a file of a million empty segments would take hours.) The first EXIF block decides. */
static boolean on_app1(j_decompress_ptr library) {
    struct jpeg_reader *reader = reader_of((j_common_ptr)library);
    struct jpeg_source_mgr *source = library->src;
    const uint8_t *segment = source->next_input_byte;
    size_t length = source->bytes_in_buffer < 2 ? 0 : (size_t)segment[0] << 8 | segment[1];
    if (length < 2 || length > source->bytes_in_buffer)
        fail_damaged(reader);
    if (!reader->exif_seen && length >= 8 && memcmp(segment + 2, "Exif\0\0", 6) == 0) {
        reader->exif_seen = true;
        reader->orientation = image_exif_orientation(segment + 2, length - 2);
    }
    source->next_input_byte += length;
    source->bytes_in_buffer -= length;
    return TRUE;
}

static void step_header(struct jpeg_reader *reader) {
    struct jpeg_decompress_struct *library = &reader->library;
    jpeg_create_decompress(library);
    library->mem->max_memory_to_use = MEMORY_BYTES_MAX;
    library->progress = &reader->progress;
    jpeg_set_marker_processor(library, JPEG_APP0 + 1, on_app1);
    jpeg_mem_src(library, reader->bytes, reader->size);
    jpeg_read_header(library, TRUE);
    reader->end_marker_needed = jpeg_has_multiple_scans(library) || library->arith_code;
    reader->scans_max = scans_max(library->image_width, library->image_height);
    *reader->frame = (struct image_frame){.width = library->image_width,
                                          .height = library->image_height,
                                          .orientation = reader->orientation};
}

static void choose_colours(struct jpeg_reader *reader) {
    switch (reader->library.jpeg_color_space) {
    case JCS_GRAYSCALE:
    case JCS_RGB:
    case JCS_YCbCr:
        reader->library.out_color_space = JCS_RGB;
        break;
    case JCS_CMYK:
    case JCS_YCCK:
        reader->library.out_color_space = JCS_CMYK;
        break;
    default:
        reader->errors.msg_code = JERR_CONVERSION_NOTIMPL;
        on_error((j_common_ptr)&reader->library);
    }
}

/* Rounds x × y ÷ 255 to nearest, exactly, for bytes. */
static uint8_t scale_byte(unsigned x, unsigned y) {
    unsigned product = x * y + 128;
    return (uint8_t)((product + (product >> 8)) >> 8);
}

static void inks_to_rgb(const uint8_t *inks, uint8_t *rgb, uint32_t width) {
    for (uint32_t x = 0; x < width; x++, inks += 4, rgb += 3)
        for (int c = 0; c < 3; c++)
            rgb[c] = scale_byte(inks[c], inks[3]);
}

static void read_rows(struct jpeg_reader *reader) {
    struct jpeg_decompress_struct *library = &reader->library;
    size_t row_bytes = (size_t)library->output_width * 3;
    while (library->output_scanline < library->output_height) {
        uint8_t *rgb = reader->raster->rgb + library->output_scanline * row_bytes;
        JSAMPROW row = reader->inks ? reader->inks : rgb;
        jpeg_read_scanlines(library, &row, 1);
        if (reader->inks)
            inks_to_rgb(reader->inks, rgb, library->output_width);
    }
}

static void step_pixels(struct jpeg_reader *reader) {
    struct jpeg_decompress_struct *library = &reader->library;
    step_header(reader);
    choose_colours(reader);
    library->scale_num = 1;
    library->scale_denom = reader->divisor;
    jpeg_start_decompress(library);
    enum status status = image_raster_create(library->output_width, library->output_height,
                                             reader->raster, reader->err);
    if (status == STATUS_OK && library->out_color_space == JCS_CMYK &&
        !(reader->inks = malloc((size_t)library->output_width * 4)))
        status = error_set(reader->err, STATUS_INTERNAL, "%s", image_no_memory);
    if (status != STATUS_OK) {
        reader->status = status;
        longjmp(reader->escape, 1);
    }
    read_rows(reader);
    jpeg_finish_decompress(library);
}

/* Runs a step and closes the reader, whichever way the step ends. */
static enum status run(struct jpeg_reader *reader, void (*step)(struct jpeg_reader *)) {
    reader->library.err = jpeg_std_error(&reader->errors);
    reader->errors.error_exit = on_error;
    reader->errors.emit_message = on_message;
    reader->errors.output_message = on_output;
    reader->progress.progress_monitor = on_progress;
    reader->orientation = 1;
    reader->status = STATUS_OK;
    if (setjmp(reader->escape) == 0)
        step(reader);
    jpeg_destroy_decompress(&reader->library);
    wipe_and_free(reader->inks);
    return reader->status;
}

enum status image_jpeg_frame(const uint8_t *bytes, size_t size, struct image_frame *frame,
                             struct error *err) {
    struct jpeg_reader reader = {.bytes = bytes, .size = size, .frame = frame, .err = err};
    return run(&reader, step_header);
}

enum status image_jpeg_pixels(const uint8_t *bytes, size_t size, const struct image_frame *frame,
                              unsigned divisor, struct image_raster *raster, struct error *err) {
    struct image_frame again = *frame;
    struct jpeg_reader reader = {.bytes = bytes,
                                 .size = size,
                                 .divisor = divisor,
                                 .frame = &again,
                                 .raster = raster,
                                 .err = err};
    return run(&reader, step_pixels);
}
