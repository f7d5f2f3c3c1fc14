#include "api/number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void json_numbers_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {{"0", 0},
                 {"-0", 0},
                 {"1", 1},
                 {"-12.5", -12.5},
                 {"0.001", 1e-3},
                 {"1e-3", 1e-3},
                 {"1E+2", 100},
                 {"12.50e1", 125},
                 {"0e5", 0},
                 {"1e308", 1e308},
                 {"123456789012345678901", 123456789012345678901.0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double value;
        assert_true(number_parse(cases[i].text, strlen(cases[i].text), &value));
        assert_true(value == cases[i].value);
    }
}

static void everything_else_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",    " ",     "nan",  "NaN", "inf", "-inf", "Infinity", "0x1p-2", "0x10",  "+1",    ".5",
        "5.",  "01",    "-01",  "1e",  "1e+", "e5",   "1.e5",     "0,5",    "1 ",    " 1",    "1\n",
        "--1", "1.2.3", "1e5.", "1_0", "-",   "true", "null",     "\"1\"",  "1e999", "-1e999"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double value;
        assert_false(number_parse(texts[i], strlen(texts[i]), &value));
    }
}

static void a_number_as_long_as_a_field_is_refused(void **state) {
    (void)state;
    char text[NUMBER_TEXT_MAX + 1];
    memset(text, '1', sizeof text);
    double value;
    assert_false(number_parse(text, sizeof text, &value));
    assert_true(number_parse(text, sizeof text - 1, &value));
}

static void bytes_after_a_nul_do_not_hide(void **state) {
    (void)state;
    double value;
    assert_false(number_parse("1\0", 2, &value));
}

static void whole_numbers_of_headers_are_digits_within_bounds(void **state) {
    (void)state;
    uint64_t value;
    assert_true(number_parse_integer("10", 10, 60000, &value));
    assert_int_equal(value, 10);
    assert_true(number_parse_integer("60000", 10, 60000, &value));
    static const char *const texts[] = {"",
                                        "9",
                                        "60001",
                                        "1e3",
                                        "+20",
                                        "-20",
                                        "020",
                                        " 20",
                                        "20 ",
                                        "20.0",
                                        "0x20",
                                        "18446744073709551626",
                                        "99999999999999999999999"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(number_parse_integer(texts[i], 10, 60000, &value));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_numbers_are_read),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(a_number_as_long_as_a_field_is_refused),
        cmocka_unit_test(bytes_after_a_nul_do_not_hide),
        cmocka_unit_test(whole_numbers_of_headers_are_digits_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
