#include "server/utf8.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Held against jansson's own decoder. */
static void every_short_sequence_is_judged_as_jansson_judges_it(void **state) {
    (void)state;
    static const unsigned char edges[] = {0x20, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0,
                                          0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xED,
                                          0xEF, 0xF0, 0xF4, 0xF5, 0xF8, 0xFF};
    const size_t n = sizeof edges;
    for (size_t i = 0; i < n * n * n * n; i++) {
        char text[5] = {(char)edges[i % n], (char)edges[i / n % n], (char)edges[i / n / n % n],
                        (char)edges[i / n / n / n], '\0'};
        bool valid = true;
        for (size_t at = 0, size; valid && at < 4; at += size) {
            uint32_t point;
            size = utf8_next(text + at, 4 - at, &point);
            valid = size > 0;
        }
        json_t *theirs = json_string(text);
        assert_int_equal(valid, theirs != NULL);
        json_decref(theirs);
    }
}

static void a_sequence_that_ends_before_it_is_whole_is_none(void **state) {
    (void)state;
    uint32_t point;
    assert_int_equal(utf8_next("", 0, &point), 0);
    assert_int_equal(utf8_next("\xE2\x82\xAC", 2, &point), 0);
    assert_int_equal(utf8_next("\xE2\x82\xAC", 3, &point), 3);
    assert_int_equal(point, 0x20AC);
    assert_int_equal(utf8_next("\xF4\x8F\xBF\xBF", 4, &point), 4);
    assert_int_equal(point, 0x10FFFF);
}

static void assert_copied(size_t size, const char *text, const char *expected) {
    char copy[16];
    assert_true(size <= sizeof copy);
    utf8_copy(copy, size, text, strlen(text));
    assert_string_equal(copy, expected);
}

static void a_copy_is_of_whole_characters(void **state) {
    (void)state;
    assert_copied(16, "a\xC3\xA4\xE2\x82\xAC", "a\xC3\xA4\xE2\x82\xAC");
    assert_copied(7, "a\xC3\xA4\xE2\x82\xAC", "a\xC3\xA4\xE2\x82\xAC");
    assert_copied(6, "a\xC3\xA4\xE2\x82\xAC", "a\xC3\xA4");
    assert_copied(3, "a\xC3\xA4", "a");
    assert_copied(1, "a", "");
    assert_copied(16, "\xC3", UTF8_REPLACEMENT);
    assert_copied(16,
                  "\xFF"
                  "a\xE2\x82",
                  UTF8_REPLACEMENT "a" UTF8_REPLACEMENT UTF8_REPLACEMENT);
    assert_copied(8,
                  "\xFF"
                  "a\xE2\x82",
                  UTF8_REPLACEMENT "a" UTF8_REPLACEMENT);
    char copy[4];
    utf8_copy(copy, sizeof copy, "a\xC3\xA4", 2);
    assert_string_equal(copy, "a");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_short_sequence_is_judged_as_jansson_judges_it),
        cmocka_unit_test(a_sequence_that_ends_before_it_is_whole_is_none),
        cmocka_unit_test(a_copy_is_of_whole_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
