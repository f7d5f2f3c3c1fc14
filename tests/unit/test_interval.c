#include "model/interval.h"
#include "tests/expect_abort.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_near(double value, double expected) {
    assert_true(fabs(value - expected) <= 1e-12);
}

/* scipy.stats.binomtest(events, trials).proportion_ci(method="wilson") */
static void wilsons_interval_is_scipys(void **state) {
    (void)state;
    static const struct {
        uint64_t events, trials;
        double low, high;
    } cases[] = {{1, 10, 0.0178762130950729, 0.4041500267952385},
                 {5, 1000, 0.00213753552732446, 0.01165095537337511},
                 {500, 1000, 0.4690696003681042, 0.5309303996318958},
                 {999, 1000, 0.9943574414020421, 0.9998234536293739},
                 {17, 1100, 0.00967117430717907, 0.02461043245646127}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct interval interval = interval_of_rate(cases[i].events, cases[i].trials);
        assert_near(interval.low, cases[i].low);
        assert_near(interval.high, cases[i].high);
    }
}

static void no_event_is_bounded_by_three_over_the_trials(void **state) {
    (void)state;
    struct interval interval = interval_of_rate(0, 3000);
    assert_near(interval.low, 0);
    assert_near(interval.high, 0.001);
}

static void only_events_are_bounded_alike_from_below(void **state) {
    (void)state;
    struct interval interval = interval_of_rate(3000, 3000);
    assert_near(interval.low, 0.999);
    assert_near(interval.high, 1);
}

static void two_trials_say_next_to_nothing(void **state) {
    (void)state;
    struct interval interval = interval_of_rate(0, 2);
    assert_near(interval.low, 0);
    assert_near(interval.high, 1);
}

static void percentiles_lie_on_straight_lines_between_the_values(void **state) {
    (void)state;
    double values[] = {5, 1, 4, 2, 3};
    struct interval interval = interval_of_replicates(values, 5);
    assert_near(interval.low, 1.1); /* numpy.percentile([1, 2, 3, 4, 5], [2.5, 97.5]) */
    assert_near(interval.high, 4.9);
}

static void one_value_is_its_own_interval(void **state) {
    (void)state;
    double value = 0.25;
    struct interval interval = interval_of_replicates(&value, 1);
    assert_near(interval.low, 0.25);
    assert_near(interval.high, 0.25);
}

static void ask_for_more_events_than_trials(void *argument) {
    (void)argument;
    interval_of_rate(3, 2);
}

static void more_events_than_trials_are_a_programmers_error(void **state) {
    (void)state;
    assert_true(aborts(ask_for_more_events_than_trials, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wilsons_interval_is_scipys),
        cmocka_unit_test(no_event_is_bounded_by_three_over_the_trials),
        cmocka_unit_test(only_events_are_bounded_alike_from_below),
        cmocka_unit_test(two_trials_say_next_to_nothing),
        cmocka_unit_test(percentiles_lie_on_straight_lines_between_the_values),
        cmocka_unit_test(one_value_is_its_own_interval),
        cmocka_unit_test(more_events_than_trials_are_a_programmers_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
