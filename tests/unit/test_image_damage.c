/* Truncated, corrupted and hostile files. Run under the sanitizers, a read past the end shows:
 * every damaged file lies in a block of exactly its size. */
#include "image_files.h"

static void assert_invalid(const struct file *file, const char *words) {
    struct image image;
    struct error err = {{0}};
    assert_int_equal(decode_file(file, 0, &image, &err), STATUS_INVALID_IMAGE);
    if (!strstr(err.detail, words))
        fail_msg("\"%s\" does not say \"%s\"", err.detail, words);
}

/* Where nothing of the picture was cut off (a JPEG's end marker), the pixels are those of the whole
 * file; anything else is refused. */
static void cut_at(const char *name, const struct file *whole, size_t size,
                   const struct image *expected) {
    struct file cut = copy_of(whole, size);
    struct image image;
    enum status status = decode_file(&cut, 0, &image, NULL);
    if (status == STATUS_OK) {
        size_t bytes = (size_t)expected->width * expected->height * 3;
        if (image.width != expected->width || memcmp(image.rgb, expected->rgb, bytes) != 0)
            fail_msg("%s cut at %zu of %zu bytes gives other pixels", name, size, whole->size);
        image_release(&image);
    } else {
        assert_int_equal(status, STATUS_INVALID_IMAGE);
    }
    release_file(&cut);
}

static void a_file_cut_anywhere_never_gives_a_picture_with_missing_pixels(void **state) {
    (void)state;
    for (size_t i = 0; i < IMAGE_FILES; i++) {
        struct file whole = read_test_image(image_files[i]);
        struct image expected;
        assert_int_equal(decode_file(&whole, 0, &expected, NULL), STATUS_OK);
        for (size_t size = 0; size < whole.size; size++)
            cut_at(image_files[i], &whole, size, &expected);
        image_release(&expected);
        release_file(&whole);
    }
}

static void a_truncated_photograph_says_what_to_do(void **state) {
    (void)state;
    const char *const names[] = {"scaled.jpg",          "progressive.jpg", "rgb8.png",
                                 "rgb8-interlaced.png", "lossy.webp",      "lossless.webp"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct file file = read_test_image(names[i]);
        file.size -= file.size / 4;
        assert_invalid(&file, "send the whole original file");
        release_file(&file);
    }
}

/* Also at a reduced scale, where the decoders take other paths. Three bytes are the end marker and
 * one byte of data of a JPEG. */
static void a_truncated_file_is_refused_at_every_scale(void **state) {
    (void)state;
    const char *const names[] = {"scaled.jpg", "rgb8.png", "rgba8-interlaced.png", "lossy.webp"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct file whole = read_test_image(names[i]);
        struct file cut = copy_of(&whole, whole.size - 3);
        for (uint32_t long_side_min = 1; long_side_min < 203; long_side_min *= 2) {
            struct image image;
            assert_int_equal(decode_file(&cut, long_side_min, &image, NULL), STATUS_INVALID_IMAGE);
        }
        release_file(&cut);
        release_file(&whole);
    }
}

static void a_flipped_bit_anywhere_never_breaks_the_decoder(void **state) {
    (void)state;
    for (size_t i = 0; i < IMAGE_FILES; i++) {
        struct file whole = read_test_image(image_files[i]);
        for (size_t at = 0; at < whole.size; at++) {
            struct file flipped = copy_of(&whole, whole.size);
            struct image image;
            flipped.bytes[at] ^= (uint8_t)(1u << (at * 5 % 8));
            if (decode_file(&flipped, at % 3 * 4, &image, NULL) == STATUS_OK)
                image_release(&image);
            release_file(&flipped);
        }
        release_file(&whole);
    }
}

/* whole with `insert` put at `at`, `times` times. */
static struct file with_inserted(const struct file *whole, size_t at, const uint8_t *insert,
                                 size_t length, size_t times) {
    struct file file = {.size = whole->size + length * times};
    file.bytes = malloc(file.size);
    assert_non_null(file.bytes);
    memcpy(file.bytes, whole->bytes, at);
    for (size_t i = 0; i < times; i++)
        memcpy(file.bytes + at + i * length, insert, length);
    memcpy(file.bytes + at + times * length, whole->bytes + at, whole->size - at);
    return file;
}

/* Where the scan that begins at `scan` ends: at the next marker that is not a stuffed zero. */
static size_t end_of_scan(const struct file *file, size_t scan) {
    size_t at = scan + 2;
    while (file->bytes[at] != 0xff || file->bytes[at + 1] == 0)
        at++;
    return at;
}

/* The first scan (the DC coefficients) may be repeated, valid each time, until somebody counts. */
static enum status decode_with_scans(size_t extra, struct error *err) {
    struct file whole = read_test_image("progressive.jpg");
    size_t scan = find_bytes(&whole, "\xff\xda", 2), end = end_of_scan(&whole, scan);
    struct file file = with_inserted(&whole, end, whole.bytes + scan, end - scan, extra);
    struct image image;
    enum status status = decode_file(&file, 0, &image, err);
    if (status == STATUS_OK)
        image_release(&image);
    release_file(&file);
    release_file(&whole);
    return status;
}

static void a_jpeg_of_ten_thousand_scans_is_refused(void **state) {
    (void)state;
    struct error err;
    assert_int_equal(decode_with_scans(10, &err), STATUS_OK);
    assert_int_equal(decode_with_scans(10000, &err), STATUS_INVALID_IMAGE);
    assert_non_null(strstr(err.detail, "more scans than any photograph needs"));
}

/* Each may cost no more than its bytes: libjpeg's own way of keeping segments is quadratic. */
static void a_million_empty_segments_are_skipped(void **state) {
    (void)state;
    struct file whole = read_test_image("orientation-6.jpg");
    struct file file = with_inserted(&whole, 2, (const uint8_t *)"\xff\xe1\0\2", 4, 1000000);
    struct image image;
    assert_int_equal(decode_file(&file, 0, &image, NULL), STATUS_OK);
    assert_int_equal(image.width, 22);
    image_release(&image);
    release_file(&file);
    release_file(&whole);
}

static void a_jpeg_without_its_end_marker_is_complete(void **state) {
    (void)state;
    struct file file = read_test_image("baseline-420.jpg");
    struct image image;
    file.size -= 2;
    assert_int_equal(decode_file(&file, 0, &image, NULL), STATUS_OK);
    image_release(&image);
    release_file(&file);
}

static void stray_bytes_between_the_data_and_the_end_marker_are_harmless(void **state) {
    (void)state;
    struct file whole = read_test_image("baseline-420.jpg");
    struct file file =
        with_inserted(&whole, whole.size - 2, (const uint8_t *)"\0\0\0\0stray", 9, 1);
    struct image image;
    assert_int_equal(decode_file(&file, 0, &image, NULL), STATUS_OK);
    image_release(&image);
    release_file(&file);
    release_file(&whole);
}

static void bytes_after_the_end_are_harmless(void **state) {
    (void)state;
    const char *const names[] = {"baseline-420.jpg", "progressive.jpg", "rgb8.png", "lossy.webp"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct file file = read_test_image(names[i]); /* its block has room */
        struct image image;
        memcpy(file.bytes + file.size, "a trailer such as some phones append", 36);
        file.size += 36;
        assert_int_equal(decode_file(&file, 0, &image, NULL), STATUS_OK);
        image_release(&image);
        release_file(&file);
    }
}

/* The EXIF block of orientation-6.jpg, damaged in place: an unreadable orientation is none. */
static void a_damaged_exif_block_leaves_the_picture_as_stored(void **state) {
    (void)state;
    const struct {
        size_t at; /* from the TIFF header */
        uint8_t value;
    } damages[] = {
        {0, 'X'},   {3, 0},  {4, 0xff}, {5, 0xff}, {7, 0xff}, /* byte order, 42, directory */
        {11, 0xff}, {12, 7}, {17, 9},   {19, 0},   {19, 9},   /* tag, type, count, value */
    };
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct file file = read_test_image("orientation-6.jpg");
        size_t tiff = find_bytes(&file, "Exif\0\0MM\0*", 10) + 6;
        struct image image;
        file.bytes[tiff + damages[i].at] = damages[i].value;
        assert_int_equal(decode_file(&file, 0, &image, NULL), STATUS_OK);
        if (image.width != 31)
            fail_msg("damage %zu still turns the picture", i);
        image_release(&image);
        release_file(&file);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_cut_anywhere_never_gives_a_picture_with_missing_pixels),
        cmocka_unit_test(a_truncated_photograph_says_what_to_do),
        cmocka_unit_test(a_truncated_file_is_refused_at_every_scale),
        cmocka_unit_test(a_flipped_bit_anywhere_never_breaks_the_decoder),
        cmocka_unit_test(a_jpeg_of_ten_thousand_scans_is_refused),
        cmocka_unit_test(a_million_empty_segments_are_skipped),
        cmocka_unit_test(a_jpeg_without_its_end_marker_is_complete),
        cmocka_unit_test(stray_bytes_between_the_data_and_the_end_marker_are_harmless),
        cmocka_unit_test(bytes_after_the_end_are_harmless),
        cmocka_unit_test(a_damaged_exif_block_leaves_the_picture_as_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
