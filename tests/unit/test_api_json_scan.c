#include "api/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum status scan(const char *text, struct json_scan *result) {
    size_t size = strlen(text);
    char *copy = malloc(size ? size : 1); /* a sanitizer sees a byte read past it */
    memcpy(copy, text, size);
    enum status status = json_scan(copy, size, SCAN_MEMBERS_MAX, result, &(struct error){""});
    free(copy);
    return status;
}

static enum status scan_nested(size_t depth, char open, char close) {
    char *text = malloc(2 * depth + 1);
    memset(text, open, depth);
    memset(text + depth, close, depth);
    text[2 * depth] = '\0';
    struct json_scan result;
    enum status status = scan(text, &result);
    free(text);
    return status;
}

static void eight_levels_pass_and_nine_do_not(void **state) {
    (void)state;
    assert_int_equal(scan_nested(SCAN_DEPTH_MAX, '[', ']'), STATUS_OK);
    assert_int_equal(scan_nested(SCAN_DEPTH_MAX + 1, '[', ']'), STATUS_INVALID_JSON);
    assert_int_equal(scan_nested(SCAN_DEPTH_MAX + 1, '{', '}'), STATUS_INVALID_JSON);
    assert_int_equal(scan_nested(1000000, '[', ']'), STATUS_INVALID_JSON);
}

static void a_long_list_is_refused(void **state) {
    (void)state;
    enum { ZEROS = 100000 };
    char *text = malloc(2 * ZEROS + 2);
    memset(text, '0', 2 * ZEROS);
    for (size_t i = 0; i < ZEROS; i++)
        text[2 * i] = i ? ',' : '[';
    memcpy(text + 2 * ZEROS, "]", 2);
    struct json_scan result;
    assert_int_equal(scan(text, &result), STATUS_INVALID_JSON);
    free(text);
}

static void the_number_of_values_is_the_callers_to_say(void **state) {
    (void)state;
    const char text[] = "{\"a\":[1,2,3,4,5]}";
    struct json_scan result;
    assert_int_equal(json_scan(text, strlen(text), 7, &result, &(struct error){""}), STATUS_OK);
    assert_int_equal(json_scan(text, strlen(text), 6, &result, &(struct error){""}),
                     STATUS_INVALID_JSON);
}

static void more_members_than_can_be_told_apart_are_refused(void **state) {
    (void)state;
    char text[8 * (SCAN_MEMBERS_MAX + 2)] = "{";
    for (int i = 0; i <= SCAN_MEMBERS_MAX; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "\"%d\":0,", i);
    struct json_scan result;
    assert_int_equal(json_scan(text, strlen(text), 1000, &result, &(struct error){""}),
                     STATUS_INVALID_JSON);
}

static void structure_inside_strings_does_not_count(void **state) {
    (void)state;
    struct json_scan result;
    assert_int_equal(scan("{\"a\":\"[[[[[[[[[[[[[[,,,,{{{{\"}", &result), STATUS_OK);
    assert_int_equal(result.values, 2);
}

static void an_escaped_quote_does_not_end_a_string(void **state) {
    (void)state;
    struct json_scan result;
    assert_int_equal(scan("{\"a\\\"b\":\"x\\\\\",\"c\":\"\\\\\\\"[[[[[[[[[[[[\"}", &result),
                     STATUS_OK);
    assert_int_equal(result.keys_count, 2);
    assert_int_equal(result.keys[0].size, 4);
    assert_int_equal(result.keys[1].size, 1);
}

static void a_text_cut_anywhere_is_read_to_its_end_and_no_further(void **state) {
    (void)state;
    char text[] = "{\"a\\\"\\\\b\":[\"x\\\\\",{\"c\":1}],\"d\":\"\\\\\\\"\"}";
    for (size_t size = strlen(text); size > 0; size--) {
        text[size] = '\0';
        struct json_scan result;
        assert_int_equal(scan(text, &result), STATUS_OK);
    }
}

static void a_long_string_of_escapes_is_read_once(void **state) {
    (void)state;
    enum { PAIRS = 10 * 1024 * 1024 };
    char *text = malloc(2 * PAIRS + 8);
    text[0] = '"';
    for (size_t i = 0; i < PAIRS; i++)
        memcpy(text + 1 + 2 * i, "\\\"", 2);
    memcpy(text + 1 + 2 * PAIRS, "\"", 2);
    struct json_scan result;
    assert_int_equal(scan(text, &result), STATUS_OK); /* quadratic, this would take hours */
    free(text);
}

static void the_member_that_stands_there_twice_is_named(void **state) {
    (void)state;
    const char text[] = "{\"a\":1,\"bc\":{\"a\":2,\"a\":3},\"bc\":4}";
    struct json_scan result;
    assert_int_equal(json_scan(text, strlen(text), SCAN_MEMBERS_MAX, &result, &(struct error){""}),
                     STATUS_OK);
    const struct json_key *key = json_scan_duplicate(&result);
    assert_non_null(key);
    assert_int_equal(key->size, 2);
    assert_memory_equal(key->text, "bc", 2);
}

static void inner_names_may_repeat_outer_ones(void **state) {
    (void)state;
    const char text[] = "{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":1}]}";
    struct json_scan result;
    assert_int_equal(json_scan(text, strlen(text), SCAN_MEMBERS_MAX, &result, &(struct error){""}),
                     STATUS_OK);
    assert_int_equal(result.keys_count, 2);
    assert_null(json_scan_duplicate(&result));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_levels_pass_and_nine_do_not),
        cmocka_unit_test(a_long_list_is_refused),
        cmocka_unit_test(the_number_of_values_is_the_callers_to_say),
        cmocka_unit_test(more_members_than_can_be_told_apart_are_refused),
        cmocka_unit_test(structure_inside_strings_does_not_count),
        cmocka_unit_test(an_escaped_quote_does_not_end_a_string),
        cmocka_unit_test(a_text_cut_anywhere_is_read_to_its_end_and_no_further),
        cmocka_unit_test(a_long_string_of_escapes_is_read_once),
        cmocka_unit_test(the_member_that_stands_there_twice_is_named),
        cmocka_unit_test(inner_names_may_repeat_outer_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
