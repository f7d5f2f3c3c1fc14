/* Times as texts, both ways. */
#include "server/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_time_reads_back_as_it_was_written(void **state) {
    (void)state;
    static const uint64_t times[] = {0, 1, 951782400123, 1767225599999, 4102444800000};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char text[CLOCK_TEXT_SIZE];
        uint64_t read;
        clock_text(times[i], text);
        assert_true(clock_parse(text, &read));
        assert_int_equal(read, times[i]);
    }
}

static void a_fraction_may_be_short_or_missing(void **state) {
    (void)state;
    uint64_t ms;
    assert_true(clock_parse("2000-02-29T00:00:00Z", &ms));
    assert_int_equal(ms, 951782400000);
    assert_true(clock_parse("2000-02-29T00:00:00.5Z", &ms));
    assert_int_equal(ms, 951782400500);
}

static void what_is_no_time_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "2000",
                                        "2000-02-30T00:00:00Z",
                                        "2001-02-29T00:00:00Z",
                                        "2000-13-01T00:00:00Z",
                                        "2000-01-01T24:00:00Z",
                                        "2000-01-01T00:60:00Z",
                                        "2000-01-01 00:00:00Z",
                                        "2000-01-01T00:00:00",
                                        "2000-01-01T00:00:00+01:00",
                                        "2000-01-01T00:00:00.Z",
                                        "2000-01-01T00:00:00.1234Z",
                                        "2000-01-01T00:00:00Zx",
                                        "1969-12-31T23:59:59Z",
                                        "20a0-01-01T00:00:00Z"};
    uint64_t ms;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(clock_parse(texts[i], &ms));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_reads_back_as_it_was_written),
        cmocka_unit_test(a_fraction_may_be_short_or_missing),
        cmocka_unit_test(what_is_no_time_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
