/* Decoded pixels against PIL's for every kind of file (tests/images/make.py says how they were
 * made). */
#include "image_files.h"

/* JPEG and WebP come out of the same libraries as PIL's, but another version may round otherwise.
 * PIL lays 16-bit alpha over white after cutting both to 8 bits; we do it before. */
enum { TOLERANCE = 2 };

static struct image read_expected(const char *name) {
    char ppm[256];
    snprintf(ppm, sizeof ppm, "%.*s.ppm", (int)strcspn(name, "."), name);
    struct file file = read_test_image(ppm);
    struct image image = {0};
    int header = 0;
    char head[32] = {0};
    memcpy(head, file.bytes, file.size < 31 ? file.size : 31);
    assert_int_equal(sscanf(head, "P6 %u %u 255%n", &image.width, &image.height, &header), 2);
    size_t bytes = (size_t)image.width * image.height * 3;
    assert_int_equal(file.size, (size_t)header + 1 + bytes);
    image.rgb = malloc(bytes);
    assert_non_null(image.rgb);
    memcpy(image.rgb, file.bytes + header + 1, bytes);
    release_file(&file);
    return image;
}

static void assert_same_pixels(const char *name, const struct image *image,
                               const struct image *expected) {
    if (image->width != expected->width || image->height != expected->height)
        fail_msg("%s: %u × %u instead of %u × %u", name, image->width, image->height,
                 expected->width, expected->height);
    for (size_t i = 0; i < (size_t)image->width * image->height * 3; i++)
        if (abs(image->rgb[i] - expected->rgb[i]) > TOLERANCE)
            fail_msg("%s: byte %zu is %d instead of %d", name, i, image->rgb[i], expected->rgb[i]);
}

static void every_kind_of_file_gives_the_pixels_that_pil_reads(void **state) {
    (void)state;
    for (size_t i = 0; i < IMAGE_FILES; i++) {
        struct file file = read_test_image(image_files[i]);
        struct image image, expected = read_expected(image_files[i]);
        struct error err;
        if (decode_file(&file, 0, &image, &err) != STATUS_OK)
            fail_msg("%s: %s", image_files[i], err.detail);
        assert_same_pixels(image_files[i], &image, &expected);
        assert_int_equal(image.info.width, image.width);
        assert_int_equal(image.info.height, image.height);
        image_release(&image);
        image_release(&expected);
        release_file(&file);
    }
}

static void assert_decoded(const char *name, uint32_t long_side_min, const char *expected_name) {
    struct file file = read_test_image(name);
    struct image image, expected = read_expected(expected_name);
    assert_int_equal(decode_file(&file, long_side_min, &image, NULL), STATUS_OK);
    assert_same_pixels(expected_name, &image, &expected);
    image_release(&image);
    image_release(&expected);
    release_file(&file);
}

/* scaled.jpg is stored 203 × 151 and lies on its side (orientation 6), so it is 151 × 203. */
static void a_jpeg_is_decoded_at_the_smallest_scale_that_keeps_the_long_side(void **state) {
    (void)state;
    assert_decoded("scaled.jpg", 0, "scaled-1");
    assert_decoded("scaled.jpg", 1000, "scaled-1");
    assert_decoded("scaled.jpg", 203, "scaled-1");
    assert_decoded("scaled.jpg", 103, "scaled-1");
    assert_decoded("scaled.jpg", 102, "scaled-2"); /* 203 ÷ 2 rounded up */
    assert_decoded("scaled.jpg", 52, "scaled-2");
    assert_decoded("scaled.jpg", 51, "scaled-4");
    assert_decoded("scaled.jpg", 27, "scaled-4");
    assert_decoded("scaled.jpg", 26, "scaled-8");
    assert_decoded("scaled.jpg", 1, "scaled-8");
}

/* The files are 31 × 22: 16 and 4 are their long sides ÷ 2 and ÷ 8, rounded up. */
static void a_png_and_a_webp_shrink_to_the_same_sizes_by_area_means(void **state) {
    (void)state;
    const struct {
        const char *name, *half, *eighth;
    } cases[] = {
        {"rgb8.png", "rgb8-png-2", "rgb8-png-8"},
        {"rgba8.png", "rgba8-png-2", "rgba8-png-8"},
        {"rgb8-interlaced.png", "rgb8-interlaced-png-2", "rgb8-interlaced-png-8"},
        {"lossless.webp", "lossless-webp-2", "lossless-webp-8"},
        {"lossless-alpha.webp", "lossless-alpha-webp-2", "lossless-alpha-webp-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_decoded(cases[i].name, 16, cases[i].half);
        assert_decoded(cases[i].name, 4, cases[i].eighth);
    }
}

/* libwebp shrinks a lossy picture's luma and chroma planes each on its own, so sharp coloured edges
 * come out otherwise than from the full picture's pixels: only the mean difference is held small. A
 * picture turned or shifted by a pixel differs by more than 12. */
static void a_lossy_webp_shrinks_to_the_same_picture(void **state) {
    (void)state;
    const char *const cases[][2] = {{"lossy.webp", "lossy-webp-2"},
                                    {"lossy-alpha.webp", "lossy-alpha-webp-2"}};
    for (size_t i = 0; i < 2; i++) {
        struct file file = read_test_image(cases[i][0]);
        struct image image, expected = read_expected(cases[i][1]);
        assert_int_equal(decode_file(&file, 16, &image, NULL), STATUS_OK);
        assert_int_equal(image.width, expected.width);
        assert_int_equal(image.height, expected.height);
        size_t bytes = (size_t)image.width * image.height * 3, sum = 0;
        for (size_t k = 0; k < bytes; k++)
            sum += (size_t)abs(image.rgb[k] - expected.rgb[k]);
        assert_true(sum < bytes * 6);
        image_release(&image);
        image_release(&expected);
        release_file(&file);
    }
}

static void the_probe_tells_format_and_upright_size(void **state) {
    (void)state;
    const struct {
        const char *name, *format;
        uint32_t width, height;
    } cases[] = {
        {"scaled.jpg", "jpeg", 151, 203},
        {"orientation-3.jpg", "jpeg", 31, 22},
        {"rgb8.png", "png", 31, 22},
        {"png-orientation-6.png", "png", 22, 31},
        {"lossless-alpha.webp", "webp", 31, 22},
        {"webp-orientation-8.webp", "webp", 22, 31},
    };
    struct image_limits limits = IMAGE_LIMITS_DEFAULT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct file file = read_test_image(cases[i].name);
        struct image_info info;
        assert_int_equal(image_probe(file.bytes, file.size, &limits, &info, NULL), STATUS_OK);
        assert_string_equal(image_format_name(info.format), cases[i].format);
        assert_int_equal(info.width, cases[i].width);
        assert_int_equal(info.height, cases[i].height);
        release_file(&file);
    }
}

/* orientation-6.jpg has its EXIF block in big-endian order; the same block in the other. */
static void a_little_endian_exif_block_turns_the_picture_too(void **state) {
    (void)state;
    static const char block[] = "II*\0\10\0\0\0\1\0\22\1\3\0\1\0\0\0\6\0\0\0\0\0\0";
    struct file file = read_test_image("orientation-6.jpg");
    struct image image, expected = read_expected("orientation-6");
    memcpy(file.bytes + find_bytes(&file, "MM\0*", 4), block, sizeof block);
    assert_int_equal(decode_file(&file, 0, &image, NULL), STATUS_OK);
    assert_same_pixels("little endian", &image, &expected);
    image_release(&image);
    image_release(&expected);
    release_file(&file);
}

static void a_released_image_is_empty_and_may_be_released_again(void **state) {
    (void)state;
    struct file file = read_test_image("rgb8.png");
    struct image image;
    assert_int_equal(decode_file(&file, 0, &image, NULL), STATUS_OK);
    image_release(&image);
    assert_null(image.rgb);
    assert_int_equal(image.width, 0);
    image_release(&image);
    release_file(&file);
}

/* Large enough that its memory goes round; no test image is. */
static struct image decode_photograph(const struct file *file, struct spare *spare) {
    struct image_limits limits = IMAGE_LIMITS_DEFAULT;
    struct image image;
    assert_int_equal(image_decode(file->bytes, file->size, &limits, 0, spare, &image, NULL),
                     STATUS_OK);
    return image;
}

static void a_photograph_is_the_same_in_the_memory_of_another(void **state) {
    (void)state;
    struct file first = read_test_image("../../examples/photos/obama.jpg");
    struct file second = read_test_image("../../examples/photos/obama2.jpg");
    struct spare *spare = spare_create(16 << 20);
    struct image other = decode_photograph(&first, spare);
    const uint8_t *memory = other.rgb;
    image_release(&other);
    struct image image = decode_photograph(&second, spare);
    struct image alone = decode_photograph(&second, NULL);
    assert_ptr_equal(image.rgb, memory);
    assert_memory_equal(image.rgb, alone.rgb, (size_t)alone.width * alone.height * 3);
    image_release(&image);
    image_release(&alone);
    spare_destroy(spare);
    release_file(&first);
    release_file(&second);
}

static void the_memory_of_a_photograph_that_is_cut_short_comes_back_overwritten(void **state) {
    (void)state;
    enum { PIXELS_BYTES = 910 * 1137 * 3 };
    struct file file = read_test_image("../../examples/photos/obama.jpg");
    struct image_limits limits = IMAGE_LIMITS_DEFAULT;
    struct spare *spare = spare_create(16 << 20);
    struct image image;
    assert_int_equal(image_decode(file.bytes, file.size / 2, &limits, 0, spare, &image, NULL),
                     STATUS_INVALID_IMAGE);
    assert_true(spare_bytes(spare) >= PIXELS_BYTES);
    uint8_t *pixels = spare_take(spare, PIXELS_BYTES);
    for (size_t i = 0; i < PIXELS_BYTES; i++)
        assert_int_equal(pixels[i], 0);
    spare_give(spare, pixels, 0);
    spare_destroy(spare);
    release_file(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_file_gives_the_pixels_that_pil_reads),
        cmocka_unit_test(a_jpeg_is_decoded_at_the_smallest_scale_that_keeps_the_long_side),
        cmocka_unit_test(a_png_and_a_webp_shrink_to_the_same_sizes_by_area_means),
        cmocka_unit_test(a_lossy_webp_shrinks_to_the_same_picture),
        cmocka_unit_test(the_probe_tells_format_and_upright_size),
        cmocka_unit_test(a_little_endian_exif_block_turns_the_picture_too),
        cmocka_unit_test(a_released_image_is_empty_and_may_be_released_again),
        cmocka_unit_test(a_photograph_is_the_same_in_the_memory_of_another),
        cmocka_unit_test(the_memory_of_a_photograph_that_is_cut_short_comes_back_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
