/* A piece of work hangs past the least that is allowed and ten times the slowest one that ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/beat.h"

enum { BEGUN_US = 5000000, LEAST_US = 1000000 };

/* That has ended one piece of work, which took so long, and has begun another. */
static struct beat working(uint64_t slowest_us) {
    struct beat beat = {0};
    beat_begin(&beat, 1);
    beat_end(&beat, 1 + slowest_us);
    beat_begin(&beat, BEGUN_US);
    return beat;
}

static bool hangs_after(const struct beat *beat, uint64_t us) {
    return beat_hangs(beat, BEGUN_US + us, LEAST_US);
}

static void who_has_begun_nothing_does_not_hang(void **state) {
    (void)state;
    struct beat beat = {0};
    assert_false(beat_hangs(&beat, UINT64_MAX, LEAST_US));
    beat_begin(&beat, BEGUN_US);
    beat_end(&beat, BEGUN_US + 1);
    assert_false(beat_hangs(&beat, UINT64_MAX, LEAST_US));
}

static void the_least_is_allowed_to_whoever_was_quick(void **state) {
    (void)state;
    static const uint64_t slowest_us[] = {0, 1, LEAST_US / 10};
    for (size_t i = 0; i < sizeof slowest_us / sizeof slowest_us[0]; i++) {
        struct beat beat = working(slowest_us[i]);
        assert_false(hangs_after(&beat, LEAST_US));
        assert_true(hangs_after(&beat, LEAST_US + 1));
    }
}

static void ten_times_the_slowest_is_allowed_to_whoever_was_slow(void **state) {
    (void)state;
    struct beat beat = working(LEAST_US / 10 + 1);
    assert_false(hangs_after(&beat, LEAST_US + 10));
    assert_true(hangs_after(&beat, LEAST_US + 11));
    beat = working(3 * LEAST_US);
    assert_false(hangs_after(&beat, 30 * LEAST_US));
    assert_true(hangs_after(&beat, 30 * LEAST_US + 1));
}

static void a_quick_piece_makes_no_slow_one_forgotten(void **state) {
    (void)state;
    struct beat beat = working(3 * LEAST_US);
    beat_end(&beat, BEGUN_US + 1);
    beat_begin(&beat, BEGUN_US);
    assert_false(hangs_after(&beat, 30 * LEAST_US));
}

static void a_piece_that_begins_while_it_is_asked_has_taken_no_time(void **state) {
    (void)state;
    struct beat beat = working(0);
    assert_false(beat_hangs(&beat, BEGUN_US - 1, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_begun_nothing_does_not_hang),
        cmocka_unit_test(the_least_is_allowed_to_whoever_was_quick),
        cmocka_unit_test(ten_times_the_slowest_is_allowed_to_whoever_was_slow),
        cmocka_unit_test(a_quick_piece_makes_no_slow_one_forgotten),
        cmocka_unit_test(a_piece_that_begins_while_it_is_asked_has_taken_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
