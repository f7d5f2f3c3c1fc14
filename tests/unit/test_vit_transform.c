/* image_resize_crop against timm's evaluation transform: the files of tests/parity/vit/transform
 * are what timm made of the same photographs (tests/parity/vit/golden.py). */
#include "face_photos.h"

#include "model/image/resize.h"

#include <math.h>

/* The bar is 2 levels of 255; what Pillow's decoder and ours read differently is in it. */
enum { LEVELS_OFF_MAX = 2 };

static const struct golden {
    const char *source; /* in examples/photos, or a PPM of the folder */
    uint32_t side;
    double crop_pct;
    const char *expected;
} GOLDENS[] = {
    {"astronaut.png", 64, 0.95, "astronaut_64_950.ppm"},
    {"obama.jpg", 96, 0.95, "obama_96_950.ppm"},
    {"biden.jpg", 64, 0.875, "biden_64_875.ppm"},
    {"obama2.jpg", 64, 1.0, "obama2_64_1000.ppm"},
    {"obama3.jpg", 65, 0.9, "obama3_65_900.ppm"},
    {"wide-61x40.ppm", 96, 0.95, "wide-61x40_96_950.ppm"},
    {"tall-40x63.ppm", 64, 0.95, "tall-40x63_64_950.ppm"},
};
enum { GOLDENS_COUNT = sizeof(GOLDENS) / sizeof(GOLDENS[0]) };

static struct image read_ppm(const char *name) {
    char path[4096];
    unsigned width = 0, height = 0;
    snprintf(path, sizeof path, "%s/tests/parity/vit/transform/%s", FACEPAIR_SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    if (!file || fscanf(file, "P6 %u %u 255%*c", &width, &height) != 2)
        fail_msg("cannot read %s", path);
    struct image image = blank_image(width, height, 0);
    assert_int_equal(fread(image.rgb, 3, (size_t)width * height, file), (size_t)width * height);
    fclose(file);
    return image;
}

static struct image read_source(const struct golden *golden) {
    return strstr(golden->source, ".ppm") ? read_ppm(golden->source)
                                          : decode_photo(golden->source, 0);
}

/* What our transform makes of the golden's source with another short side or crop. */
static uint8_t *transform(const struct golden *golden, uint32_t short_side, uint32_t side) {
    struct image image = read_source(golden);
    uint8_t *rgb = malloc((size_t)side * side * 3);
    assert_non_null(rgb);
    assert_int_equal(image_resize_crop(&image, short_side, side, rgb, NULL), STATUS_OK);
    image_release(&image);
    return rgb;
}

static uint32_t short_side_of(const struct golden *golden) {
    return (uint32_t)floor(golden->side / golden->crop_pct);
}

static int most_different(const struct image *expected, const uint8_t *rgb) {
    int most = 0;
    for (size_t i = 0; i < (size_t)expected->width * expected->height * 3; i++)
        if (abs(expected->rgb[i] - rgb[i]) > most)
            most = abs(expected->rgb[i] - rgb[i]);
    return most;
}

static void every_level_is_within_two_of_timms(void **state) {
    (void)state;
    for (size_t i = 0; i < GOLDENS_COUNT; i++) {
        const struct golden *golden = &GOLDENS[i];
        struct image expected = read_ppm(golden->expected);
        assert_true(expected.width == golden->side && expected.height == golden->side);
        uint8_t *rgb = transform(golden, short_side_of(golden), golden->side);
        int most = most_different(&expected, rgb);
        print_message("%s: largest difference %d\n", golden->expected, most);
        assert_true(most <= LEVELS_OFF_MAX);
        free(rgb);
        image_release(&expected);
    }
}

static void from_the_same_pixels_every_byte_is_pillows(void **state) {
    (void)state;
    for (size_t i = 0; i < GOLDENS_COUNT; i++) {
        const struct golden *golden = &GOLDENS[i];
        if (strstr(golden->source, ".jpg"))
            continue;
        struct image expected = read_ppm(golden->expected);
        uint8_t *rgb = transform(golden, short_side_of(golden), golden->side);
        assert_int_equal(most_different(&expected, rgb), 0);
        free(rgb);
        image_release(&expected);
    }
}

static void another_short_side_is_noticed(void **state) {
    (void)state;
    for (size_t i = 0; i < GOLDENS_COUNT; i++) {
        const struct golden *golden = &GOLDENS[i];
        struct image expected = read_ppm(golden->expected);
        uint8_t *rgb = transform(golden, short_side_of(golden) + 1, golden->side);
        assert_true(most_different(&expected, rgb) > LEVELS_OFF_MAX);
        free(rgb);
        image_release(&expected);
    }
}

static void a_plane_of_one_colour_stays_so(void **state) {
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1}, {3, 200}, {1000, 7}, {64, 64}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (int level = 0; level <= 255; level += 51) {
            struct image image = blank_image(sizes[i][0], sizes[i][1], (uint8_t)level);
            uint8_t rgb[32 * 32 * 3];
            assert_int_equal(image_resize_crop(&image, 40, 32, rgb, NULL), STATUS_OK);
            for (size_t k = 0; k < sizeof rgb; k++)
                assert_int_equal(rgb[k], level);
            image_release(&image);
        }
}

static void the_size_asked_for_is_the_middle_unchanged(void **state) {
    (void)state;
    struct image image = blank_image(9, 5, 0);
    for (uint32_t i = 0; i < 9 * 5 * 3; i++)
        image.rgb[i] = (uint8_t)(i * 37 % 251);
    uint8_t rgb[5 * 5 * 3];
    assert_int_equal(image_resize_crop(&image, 5, 5, rgb, NULL), STATUS_OK);
    for (size_t y = 0; y < 5; y++)
        assert_memory_equal(rgb + y * 5 * 3, image.rgb + (y * 9 + 2) * 3, 5 * 3);
    image_release(&image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_is_within_two_of_timms),
        cmocka_unit_test(from_the_same_pixels_every_byte_is_pillows),
        cmocka_unit_test(another_short_side_is_noticed),
        cmocka_unit_test(a_plane_of_one_colour_stays_so),
        cmocka_unit_test(the_size_asked_for_is_the_middle_unchanged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
