/* What is refused before a pixel is decoded: by size, by the header, by being something else. */
#include "image_files.h"

#include <stdbool.h>

/* The linker sends our own calls of malloc here (--wrap); those inside the libraries stay. */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
static size_t largest_allocation;
static int allocations_until_failure = -1; /* −1: none fails */

void *__wrap_malloc(size_t size) {
    if (size > largest_allocation)
        largest_allocation = size;
    if (allocations_until_failure == 0)
        return NULL;
    if (allocations_until_failure > 0)
        allocations_until_failure--;
    return __real_malloc(size);
}

static const struct image_limits limits = IMAGE_LIMITS_DEFAULT;

/* Writes a frame size into the JPEG's header (SOF0: marker, length, precision, height, width). */
static void set_jpeg_size(struct file *file, unsigned width, unsigned height) {
    uint8_t *frame = file->bytes + find_bytes(file, "\xff\xc0\0\x11\b", 5);
    frame[5] = (uint8_t)(height >> 8), frame[6] = (uint8_t)height;
    frame[7] = (uint8_t)(width >> 8), frame[8] = (uint8_t)width;
}

static void set_png_size(struct file *file, unsigned width, unsigned height) {
    const unsigned sides[] = {width, height};
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < 4; i++)
            file->bytes[16 + side * 4 + i] = (uint8_t)(sides[side] >> (24 - 8 * i));
}

static void assert_refused(const struct file *file, const struct image_limits *with,
                           enum status expected, const char *words) {
    struct image_info info;
    struct image image;
    struct error err;
    assert_int_equal(image_probe(file->bytes, file->size, with, &info, &err), expected);
    assert_int_equal(image_decode(file->bytes, file->size, with, 0, NULL, &image, &err), expected);
    if (!strstr(err.detail, words))
        fail_msg("\"%s\" does not say \"%s\"", err.detail, words);
}

static void an_enormous_header_is_refused_before_any_allocation_for_pixels(void **state) {
    (void)state;
    struct file jpeg = read_test_image("baseline-420.jpg"), png = read_test_image("rgb8.png");
    set_jpeg_size(&jpeg, 65500, 65500);
    set_png_size(&png, 65500, 65500);
    largest_allocation = 0;
    assert_refused(&jpeg, &limits, STATUS_IMAGE_TOO_LARGE, "65500 × 65500");
    assert_refused(&png, &limits, STATUS_IMAGE_TOO_LARGE, "65500 × 65500");
    set_png_size(&png, 0xffffffff, 0xffffffff);
    assert_refused(&png, &limits, STATUS_IMAGE_TOO_LARGE, "scale it down");
    set_jpeg_size(&jpeg, 65535, 65535);
    assert_refused(&jpeg, &limits, STATUS_IMAGE_TOO_LARGE, "scale it down");
    assert_int_equal(largest_allocation, 0);
    release_file(&jpeg);
    release_file(&png);
}

static void the_side_the_pixels_the_shape_and_the_bytes_each_have_a_limit(void **state) {
    (void)state;
    struct file jpeg = read_test_image("baseline-420.jpg");
    set_jpeg_size(&jpeg, 16385, 2000);
    assert_refused(&jpeg, &limits, STATUS_IMAGE_TOO_LARGE, "16384 a side");
    set_jpeg_size(&jpeg, 7072, 7072); /* 50,013,184 */
    assert_refused(&jpeg, &limits, STATUS_IMAGE_TOO_LARGE, "50000000 in all");
    set_jpeg_size(&jpeg, 100, 2001);
    assert_refused(&jpeg, &limits, STATUS_IMAGE_TOO_LARGE, "20 times");
    struct image_limits small = limits;
    small.bytes_max = jpeg.size - 1;
    assert_refused(&jpeg, &small, STATUS_IMAGE_TOO_LARGE, "bytes");
    release_file(&jpeg);
}

static void a_header_at_the_limits_passes(void **state) {
    (void)state;
    struct file jpeg = read_test_image("baseline-420.jpg");
    const unsigned sizes[][2] = {{16384, 3000}, {7071, 7071}, {100, 2000}, {2000, 100}, {1, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct image_info info;
        set_jpeg_size(&jpeg, sizes[i][0], sizes[i][1]);
        assert_int_equal(image_probe(jpeg.bytes, jpeg.size, &limits, &info, NULL), STATUS_OK);
        assert_int_equal(info.width, sizes[i][0]);
        assert_int_equal(info.height, sizes[i][1]);
    }
    release_file(&jpeg);
}

static void a_header_without_pixels_is_invalid(void **state) {
    (void)state;
    struct file jpeg = read_test_image("baseline-420.jpg"), png = read_test_image("rgb8.png");
    set_jpeg_size(&jpeg, 0, 10);
    assert_refused(&jpeg, &limits, STATUS_INVALID_IMAGE, "damaged");
    set_png_size(&png, 10, 0);
    assert_refused(&png, &limits, STATUS_INVALID_IMAGE, "damaged");
    release_file(&jpeg);
    release_file(&png);
}

static void what_is_no_image_is_invalid(void **state) {
    (void)state;
    const char *const texts[] = {
        "",
        "\n",
        "\xff",
        "\xff\xd8",
        "This is a text file that somebody called face.jpg.\n",
        "BM and other words",
        "<html><body>Not found</body></html>",
        "RIFF\x10\0\0\0WAVEfmt ",
        "GIF",
        "{\"image\": 1}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const struct file file = {(uint8_t *)texts[i], strlen(texts[i])};
        assert_refused(&file, &limits, STATUS_INVALID_IMAGE, "JPEG, PNG or WebP");
    }
}

static void another_known_format_is_told_by_name(void **state) {
    (void)state;
#define BYTES(text) text, sizeof text - 1
    const struct {
        const char *bytes;
        size_t size;
        const char *name;
    } cases[] = {
        {BYTES("GIF87a\1\0\1\0"), "GIF"},
        {BYTES("GIF89a\1\0\1\0"), "GIF"},
        {BYTES("BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"), "BMP"},
        {BYTES("II*\0\b\0\0\0"), "TIFF"},
        {BYTES("MM\0*\0\0\0\b"), "TIFF"},
        {BYTES("\0\0\0\x18"
               "ftypheic\0\0\0\0"),
         "HEIC"},
        {BYTES("\0\0\0\x18"
               "ftypmif1\0\0\0\0"),
         "HEIF"},
        {BYTES("\0\0\0\x1c"
               "ftypavif\0\0\0\0"),
         "AVIF"},
        {BYTES("\0\0\0\x1c"
               "ftypisom\0\0\0\0"),
         "MP4"},
        {BYTES("\0\0\0\x0cJXL \r\n\x87\n"), "JPEG XL"},
        {BYTES("\xff\x0a\x01\x02"), "JPEG XL"},
        {BYTES("\0\0\0\x0cjP  \r\n\x87\n"), "JPEG 2000"},
        {BYTES("\xff\x4f\xff\x51\0\x29"), "JPEG 2000"},
        {BYTES("%PDF-1.7\n"), "PDF"},
        {BYTES("<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), "SVG"},
        {BYTES("  <svg width=\"10\"/>"), "SVG"},
        {BYTES("\0\0\1\0\1\0\x10\x10"), "ICO"},
        {BYTES("8BPS\0\1\0\0"), "PSD"},
        {BYTES("P6\n10 10\n255\n"), "Netpbm"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct file file = {(uint8_t *)cases[i].bytes, cases[i].size};
        assert_refused(&file, &limits, STATUS_UNSUPPORTED_IMAGE_FORMAT, cases[i].name);
    }
}

static void an_animated_webp_is_unsupported(void **state) {
    (void)state;
    struct file file = read_test_image("animated.webp");
    assert_refused(&file, &limits, STATUS_UNSUPPORTED_IMAGE_FORMAT, "animated WebP");
    release_file(&file);
}

/* The bits of a lossless WebP, the lowest first. */
struct bits {
    uint8_t *bytes;
    size_t count;
};

static void put(struct bits *bits, unsigned value, unsigned width) {
    for (unsigned i = 0; i < width; i++, bits->count++)
        bits->bytes[bits->count / 8] |= (uint8_t)((value >> i & 1) << bits->count % 8);
}

static void put_code_of_one_symbol(struct bits *bits) { put(bits, 1, 4); }

/* A code of 8 bits for each byte. */
static void put_code_of_bytes(struct bits *bits, bool is_green) {
    put(bits, 0, 1);
    put(bits, 8, 4); /* of 12 lengths of code lengths the last alone, that of 8, is used */
    for (int i = 0; i < 11; i++)
        put(bits, 0, 3);
    put(bits, 1, 3);
    put(bits, is_green, 1); /* its alphabet has more: 256 of them */
    if (is_green) {
        put(bits, 3, 3); /* a number of 8 bits … */
        put(bits, 256 - 2, 8);
    }
}

/* A lossless WebP of 1,024 × 1,024 pixels, each 16 of which have five prefix codes of their own. */
static struct file webp_of_many_codes(void) {
    enum { SIDE = 1024, GROUPS = SIDE / 4 * (SIDE / 4), ROOM = 1 << 20, HEADER = 20 };
    struct file file = {calloc(1, ROOM), 0};
    assert_non_null(file.bytes);
    struct bits bits = {file.bytes + HEADER, 0};
    put(&bits, 0x2f, 8);
    put(&bits, SIDE - 1, 14);
    put(&bits, SIDE - 1, 14);
    put(&bits, 0, 4); /* no alpha, version 0 */
    put(&bits, 0, 2); /* no transform, no colour cache */
    put(&bits, 1, 1);
    put(&bits, 0, 3); /* groups of codes, for 4 × 4 pixels each: their numbers are a picture too */
    put(&bits, 0, 1);
    put_code_of_bytes(&bits, true);
    put_code_of_bytes(&bits, false);
    for (int i = 0; i < 3; i++)
        put_code_of_one_symbol(&bits);
    for (unsigned group = 0; group < GROUPS; group++)
        put(&bits, group & 255, 8), put(&bits, group >> 8, 8);
    for (unsigned i = 0; i < 5 * GROUPS; i++)
        put_code_of_one_symbol(&bits);
    uint32_t size = (uint32_t)((bits.count + 7) / 8 + 17) & ~1u, riff = size + 12;
    file.size = HEADER + size;
    memcpy(file.bytes, "RIFF", 4);
    memcpy(file.bytes + 4, &riff, 4);
    memcpy(file.bytes + 8, "WEBPVP8L", 8);
    memcpy(file.bytes + 16, &size, 4);
    return file;
}

static void a_webp_that_needs_far_more_memory_than_its_pixels_is_too_large(void **state) {
    (void)state;
    struct file file = webp_of_many_codes();
    struct image image;
    struct error err;
    largest_allocation = 0;
    assert_int_equal(image_decode(file.bytes, file.size, &limits, 0, NULL, &image, &err),
                     STATUS_IMAGE_TOO_LARGE);
    assert_non_null(strstr(err.detail, "memory"));
    assert_true(largest_allocation < 80 << 20);
    release_file(&file);
}

static void a_lossless_jpeg_is_unsupported(void **state) {
    (void)state;
    struct file file = read_test_image("baseline-420.jpg");
    file.bytes[find_bytes(&file, "\xff\xc0\0\x11", 4) + 1] = 0xc3;
    assert_refused(&file, &limits, STATUS_UNSUPPORTED_IMAGE_FORMAT, "lossless");
    release_file(&file);
}

/* rgb8.png: the raster, and shrunk a row (interlaced, the whole picture too); lossy-alpha.webp: the
 * raster and the picture with alpha; cmyk.jpg: and a row of inks; orientation-6.jpg: and the turned
 * raster. */
static void a_failed_allocation_is_told_and_leaks_nothing(void **state) {
    (void)state;
    const struct {
        const char *name;
        uint32_t long_side_min;
        int allocations; /* before libwebp's, which come through us (webp_memory.h) */
    } cases[] = {{"rgb8.png", 0, 1},         {"rgb8.png", 16, 2}, {"rgb8-interlaced.png", 16, 3},
                 {"lossy-alpha.webp", 0, 2}, {"cmyk.jpg", 0, 2},  {"orientation-6.jpg", 0, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct file file = read_test_image(cases[i].name);
        for (int k = 0; k <= cases[i].allocations; k++) {
            struct image image;
            allocations_until_failure = k < cases[i].allocations ? k : -1;
            enum status status = decode_file(&file, cases[i].long_side_min, &image, NULL);
            allocations_until_failure = -1;
            assert_int_equal(status, k < cases[i].allocations ? STATUS_INTERNAL : STATUS_OK);
            if (status == STATUS_OK)
                image_release(&image);
        }
        release_file(&file);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_enormous_header_is_refused_before_any_allocation_for_pixels),
        cmocka_unit_test(the_side_the_pixels_the_shape_and_the_bytes_each_have_a_limit),
        cmocka_unit_test(a_header_at_the_limits_passes),
        cmocka_unit_test(a_header_without_pixels_is_invalid),
        cmocka_unit_test(what_is_no_image_is_invalid),
        cmocka_unit_test(another_known_format_is_told_by_name),
        cmocka_unit_test(an_animated_webp_is_unsupported),
        cmocka_unit_test(a_webp_that_needs_far_more_memory_than_its_pixels_is_too_large),
        cmocka_unit_test(a_lossless_jpeg_is_unsupported),
        cmocka_unit_test(a_failed_allocation_is_told_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
