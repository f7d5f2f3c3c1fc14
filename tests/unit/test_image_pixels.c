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

/* scaled.jpg is stored 203 × 151 and lies on its side (orientation 6), so it is 151 × 203. */
static void assert_scaled(uint32_t long_side_min, const char *expected_name) {
    struct file file = read_test_image("scaled.jpg");
    struct image image, expected = read_expected(expected_name);
    assert_int_equal(decode_file(&file, long_side_min, &image, NULL), STATUS_OK);
    assert_same_pixels(expected_name, &image, &expected);
    assert_int_equal(image.info.width, 151);
    assert_int_equal(image.info.height, 203);
    image_release(&image);
    image_release(&expected);
    release_file(&file);
}

static void a_jpeg_is_decoded_at_the_smallest_scale_that_keeps_the_long_side(void **state) {
    (void)state;
    assert_scaled(0, "scaled-1");
    assert_scaled(1000, "scaled-1");
    assert_scaled(203, "scaled-1");
    assert_scaled(103, "scaled-1");
    assert_scaled(102, "scaled-2"); /* 203 ÷ 2 rounded up */
    assert_scaled(52, "scaled-2");
    assert_scaled(51, "scaled-4");
    assert_scaled(27, "scaled-4");
    assert_scaled(26, "scaled-8");
    assert_scaled(1, "scaled-8");
}

static void a_png_and_a_webp_are_not_scaled(void **state) {
    (void)state;
    const char *names[] = {"rgb8.png", "lossy.webp"};
    for (size_t i = 0; i < 2; i++) {
        struct file file = read_test_image(names[i]);
        struct image image;
        assert_int_equal(decode_file(&file, 4, &image, NULL), STATUS_OK);
        assert_int_equal(image.width, 31);
        image_release(&image);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_file_gives_the_pixels_that_pil_reads),
        cmocka_unit_test(a_jpeg_is_decoded_at_the_smallest_scale_that_keeps_the_long_side),
        cmocka_unit_test(a_png_and_a_webp_are_not_scaled),
        cmocka_unit_test(the_probe_tells_format_and_upright_size),
        cmocka_unit_test(a_released_image_is_empty_and_may_be_released_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
