#include "api/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LIMIT = 64 };

/* The text is copied to the end of its own allocation, so that a sanitizer sees a byte read past
 * it. */
static enum status decode(const char *text, size_t bytes_max, uint8_t **bytes, size_t *size) {
    size_t text_size = strlen(text);
    char *copy = malloc(text_size ? text_size : 1);
    memcpy(copy, text, text_size);
    enum status status =
        base64_decode(copy, text_size, bytes_max, bytes, size, &(struct error){""});
    free(copy);
    return status;
}

static void assert_decodes(const char *text, const char *expected) {
    uint8_t *bytes = NULL;
    size_t size = 0;
    assert_int_equal(decode(text, LIMIT, &bytes, &size), STATUS_OK);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(bytes, expected, size);
    free(bytes);
}

static void assert_refused(const char *text) {
    uint8_t *bytes = NULL;
    size_t size = 0;
    assert_int_equal(decode(text, LIMIT, &bytes, &size), STATUS_INVALID_FIELD);
    assert_null(bytes);
}

static void decodes_the_vectors_of_rfc_4648(void **state) {
    (void)state;
    assert_decodes("", "");
    assert_decodes("Zg==", "f");
    assert_decodes("Zm8=", "fo");
    assert_decodes("Zm9v", "foo");
    assert_decodes("Zm9vYg==", "foob");
    assert_decodes("Zm9vYmE=", "fooba");
    assert_decodes("Zm9vYmFy", "foobar");
}

static void padding_is_optional(void **state) {
    (void)state;
    assert_decodes("Zg", "f");
    assert_decodes("Zm8", "fo");
    assert_decodes("Zm9vYg", "foob");
}

static void both_alphabets_are_read(void **state) {
    (void)state;
    assert_decodes("+/+/", "\xfb\xff\xbf");
    assert_decodes("-_-_", "\xfb\xff\xbf");
}

static void line_breaks_are_skipped_anywhere(void **state) {
    (void)state;
    assert_decodes("Zm\r\n9vYm\nFy\r\n", "foobar");
    assert_decodes("Z\nm\r8\n=\n", "fo");
    assert_decodes("\r\n\r\n", "");
}

static void bad_characters_are_refused(void **state) {
    (void)state;
    const char *texts[] = {"Zm9v!", "Zm 9v", "Zm9v\t", "Zm9\x80", "Zm9v.", "Zm9v\x01", "Zm,v"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_refused(texts[i]);
}

static void bad_padding_is_refused(void **state) {
    (void)state;
    const char *texts[] = {
        "=", "Zg=", "Zm8==", "Zm9v=", "Zg==Zg==", "Zg===", "Z===", "Zg==\nZg", "Z", "Zm9vZ"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_refused(texts[i]);
}

static void bits_of_no_byte_are_refused(void **state) {
    (void)state;
    assert_refused("Zh==");
    assert_refused("Zm9");
}

static void decodes_every_byte_of_a_long_text(void **state) {
    (void)state;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    enum { GROUPS = 5000 };
    char *text = malloc(GROUPS * 4 + 1);
    for (unsigned i = 0; i < GROUPS * 4; i++)
        text[i] = digits[(i * 7 + i / 64) % 64];
    text[GROUPS * 4] = '\0';
    uint8_t *bytes;
    size_t size;
    assert_int_equal(decode(text, GROUPS * 3, &bytes, &size), STATUS_OK);
    assert_int_equal(size, GROUPS * 3);
    for (unsigned i = 0; i < GROUPS; i++) {
        unsigned value = (unsigned)bytes[3 * i] << 16 | bytes[3 * i + 1] << 8 | bytes[3 * i + 2];
        for (unsigned k = 0; k < 4; k++)
            assert_int_equal(digits[value >> (18 - 6 * k) & 63], text[4 * i + k]);
    }
    free(bytes);
    free(text);
}

static void the_limit_holds_to_the_byte(void **state) {
    (void)state;
    const char *texts[] = {"Zm9vYmFy", "Zm9vYmE=", "Zm9vYg", "Zm\n9v\nYm\nFy\n"};
    const size_t sizes[] = {6, 5, 4, 6};
    for (size_t i = 0; i < 4; i++) {
        uint8_t *bytes = NULL;
        size_t size;
        assert_int_equal(decode(texts[i], sizes[i] - 1, &bytes, &size), STATUS_BODY_TOO_LARGE);
        assert_null(bytes);
        assert_int_equal(decode(texts[i], sizes[i], &bytes, &size), STATUS_OK);
        assert_int_equal(size, sizes[i]);
        free(bytes);
    }
}

static void a_data_url_is_skipped(void **state) {
    (void)state;
    const char *text = "data:image/jpeg;base64,Zm9v";
    size_t size = strlen(text);
    assert_string_equal(base64_skip_data_url(text, &size), "Zm9v");
    assert_int_equal(size, 4);
    text = "DATA:;BASE64,";
    size = strlen(text);
    assert_string_equal(base64_skip_data_url(text, &size), "");
    assert_int_equal(size, 0);
}

static void what_is_no_base64_data_url_stays(void **state) {
    (void)state;
    const char *texts[] = {"Zm9v",
                           "data",
                           "data:",
                           "data:,Zm9v",
                           "data:base64,Zm9v",
                           "data:image/png,Zm9v",
                           "data:;base64",
                           "data:;base6,Zm9v"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t size = strlen(texts[i]);
        assert_ptr_equal(base64_skip_data_url(texts[i], &size), texts[i]);
        assert_int_equal(size, strlen(texts[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_the_vectors_of_rfc_4648),
        cmocka_unit_test(padding_is_optional),
        cmocka_unit_test(both_alphabets_are_read),
        cmocka_unit_test(line_breaks_are_skipped_anywhere),
        cmocka_unit_test(bad_characters_are_refused),
        cmocka_unit_test(bad_padding_is_refused),
        cmocka_unit_test(bits_of_no_byte_are_refused),
        cmocka_unit_test(decodes_every_byte_of_a_long_text),
        cmocka_unit_test(the_limit_holds_to_the_byte),
        cmocka_unit_test(a_data_url_is_skipped),
        cmocka_unit_test(what_is_no_base64_data_url_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
