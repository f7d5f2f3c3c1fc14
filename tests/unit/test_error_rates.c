#include "model/error_rates.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random_gallery.h"

static const struct error_rates_extra NONE = {0};

static void assert_near(double value, double expected) {
    assert_true(fabs(value - expected) <= 1e-12);
}

/* 1,000 pairs of each kind, a thousandth a unit: genuine at 0.2 … 0.3, impostors at 0.25 … 0.75. */
static void pairs_histogram(struct distance_histogram *histogram) {
    struct error err;
    assert_int_equal(distance_histogram_create(50000, histogram, &err), STATUS_OK);
    histogram->genuine_pairs = histogram->impostor_pairs = 1000;
    for (unsigned i = 0; i < 1000; i++) {
        histogram->genuine[10000 + i * 5] += 0.001;
        histogram->impostor[12500 + i * 25] += 0.001;
    }
}

static void rates_at_a_threshold_are_shares_below_and_from_it_on(void **state) {
    (void)state;
    struct distance_histogram histogram;
    pairs_histogram(&histogram);
    assert_near(distance_histogram_fmr(&histogram, 12500), 0);
    assert_near(distance_histogram_fmr(&histogram, 12501), 0.001);
    assert_near(distance_histogram_fnmr(&histogram, 15000 - 5), 0.001);
    assert_near(distance_histogram_fnmr(&histogram, 15000 - 4), 0);
    assert_near(distance_histogram_fmr(&histogram, DISTANCE_BINS), 1);
    distance_histogram_release(&histogram);
}

static void the_threshold_of_a_rate_is_the_largest_that_keeps_to_it(void **state) {
    (void)state;
    struct distance_histogram histogram;
    pairs_histogram(&histogram);
    uint32_t threshold = distance_histogram_threshold(&histogram, 0.0105);
    assert_int_equal(threshold, 12500 + 10 * 25);
    assert_near(distance_histogram_fmr(&histogram, threshold), 0.010);
    assert_near(distance_histogram_fmr(&histogram, threshold + 1), 0.011);
    threshold = distance_histogram_threshold_of_fnmr(&histogram, 0.0105);
    assert_near(distance_histogram_fnmr(&histogram, threshold), 0.010);
    assert_near(distance_histogram_fnmr(&histogram, threshold - 1), 0.011);
    distance_histogram_release(&histogram);
}

static void bins_begin_at_short_decimals_and_hold_the_longest_distance(void **state) {
    (void)state;
    static const struct {
        double longest, per_unit;
    } cases[] = {{2.8, 20000}, {1.3, 50000}, {1, 50000},  {3.2767, 20000},
                 {3.3, 10000}, {65, 1000},   {2e6, 0.02}, {0.01, 5e6}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double per_unit = distance_resolution(cases[i].longest);
        assert_true(fabs(per_unit / cases[i].per_unit - 1) < 1e-12);
        assert_true(cases[i].longest * per_unit < DISTANCE_BINS);
    }
    assert_true(isfinite(distance_resolution(0)));
}

static void the_curve_runs_from_refusing_all_to_accepting_all(void **state) {
    (void)state;
    struct distance_histogram histogram;
    struct error_rates rates;
    pairs_histogram(&histogram);
    error_rates_of_pairs(&histogram, &(struct error_rates_extra){1, {0.6}}, &rates);
    const struct error_rates_point *first = &rates.points[0],
                                   *last = &rates.points[rates.count - 1];
    assert_near(first->fmr, 0);
    assert_near(first->fnmr, 1);
    assert_near(last->fmr, 1);
    assert_near(last->fnmr, 0);
    bool extra = false;
    for (size_t i = 1; i < rates.count; i++) {
        assert_true(rates.points[i].threshold > rates.points[i - 1].threshold);
        assert_true(rates.points[i].fmr >= rates.points[i - 1].fmr);
        assert_true(rates.points[i].fnmr <= rates.points[i - 1].fnmr);
        extra |= rates.points[i].threshold == 0.6;
    }
    assert_true(extra);
    distance_histogram_release(&histogram);
}

static void independent_pairs_have_wilsons_interval(void **state) {
    (void)state;
    struct distance_histogram histogram;
    struct error_rates rates;
    pairs_histogram(&histogram);
    error_rates_of_pairs(&histogram, &NONE, &rates);
    struct error_rates_point point = rates.points[0];
    struct interval none = interval_of_rate(0, 1000);
    assert_near(point.fmr, 0);
    assert_near(point.fmr_interval.high, none.high);
    point = rates.points[rates.count / 2];
    struct interval wilson = interval_of_rate((uint64_t)llround(point.fmr * 1000), 1000);
    assert_near(point.fmr_interval.low, wilson.low);
    assert_near(point.fmr_interval.high, wilson.high);
    distance_histogram_release(&histogram);
}

/* Of 1,000 pairs: 10 at FMR 1e-2 have the interval 0.0054 … 0.0183, one at 1e-3 0.0002 … 0.0056. */
static void the_smallest_rate_offered_is_known_within_a_factor_of_three(void **state) {
    (void)state;
    struct distance_histogram histogram;
    struct error_rates rates;
    struct operating_point points[OPERATING_POINTS_MAX];
    pairs_histogram(&histogram);
    error_rates_of_pairs(&histogram, &NONE, &rates);
    assert_int_equal(error_rates_operating_points(&rates, points), 2);
    assert_near(points[0].fmr, 0.1);
    assert_near(points[0].measured.fmr, 0.1);
    assert_near(points[0].measured.threshold, 0.25 + 100 * 0.0005);
    assert_near(points[1].fmr, 0.01);
    assert_near(points[1].measured.threshold, 0.25 + 10 * 0.0005);
    double fnmr = error_rates_smallest_fnmr(&rates);
    assert_near(fnmr, 0.003); /* 3 of 1,000: 0.0010 … 0.0088 */
    distance_histogram_release(&histogram);
}

static void between_two_points_the_rates_lie_on_straight_lines(void **state) {
    (void)state;
    struct error_rates rates = {.count = 2,
                                .points = {{0.5, 0.1, 0.4, {0.05, 0.2}, {0.3, 0.5}},
                                           {0.6, 0.3, 0.2, {0.25, 0.4}, {0.1, 0.3}}}};
    struct error_rates_point point = error_rates_at(&rates, 0.55);
    assert_near(point.threshold, 0.55);
    assert_near(point.fmr, 0.2);
    assert_near(point.fnmr, 0.3);
    assert_near(point.fmr_interval.low, 0.15);
    assert_near(point.fmr_interval.high, 0.3);
    assert_near(point.fnmr_interval.low, 0.2);
    assert_near(point.fnmr_interval.high, 0.4);
    assert_near(error_rates_at(&rates, 0.6).fmr, 0.3);
    assert_near(error_rates_at(&rates, 7).fmr, 0.3);
    assert_near(error_rates_at(&rates, 0.01).fnmr, 0.4);
}

/* 300 people of 1 to 4 images whose points are 4 deviations apart on average. */
static void a_gallery_has_operating_points_with_intervals_around_their_rates(void **state) {
    (void)state;
    enum { PEOPLE = 300 };
    uint32_t images[PEOPLE];
    for (uint32_t i = 0; i < PEOPLE; i++)
        images[i] = 1 + i % 4;
    struct gallery gallery;
    struct distance_histogram histogram;
    struct error_rates rates;
    struct error err;
    struct operating_point points[OPERATING_POINTS_MAX];
    random_gallery(images, PEOPLE, 8, 0.5, 1, &gallery);
    const struct bootstrap_options options = {256, 1, {.threads = 2}};
    assert_int_equal(all_pairs_measure(&gallery, &options.crew, &histogram, &err), STATUS_OK);
    assert_int_equal(error_rates_of_gallery(&gallery, &histogram, &options, &NONE, &rates, &err),
                     STATUS_OK);
    for (size_t i = 1; i < rates.count; i++) { /* the bounds go the way of the rates */
        const struct error_rates_point *from = &rates.points[i - 1], *to = &rates.points[i];
        assert_true(from->fmr_interval.low <= to->fmr_interval.low);
        assert_true(from->fmr_interval.high <= to->fmr_interval.high);
        assert_true(from->fnmr_interval.low >= to->fnmr_interval.low);
        assert_true(from->fnmr_interval.high >= to->fnmr_interval.high);
    }
    size_t count = error_rates_operating_points(&rates, points);
    assert_in_range(count, 2, 4);
    for (size_t i = 0; i < count; i++) {
        const struct error_rates_point *measured = &points[i].measured;
        uint32_t bin = (uint32_t)lround(measured->threshold * histogram.per_unit);
        assert_near(measured->fmr, distance_histogram_fmr(&histogram, bin));
        assert_near(measured->fnmr, distance_histogram_fnmr(&histogram, bin));
        assert_true(measured->fmr <= points[i].fmr);
        assert_true(measured->fmr > points[i].fmr * 0.9);
        assert_true(measured->fmr_interval.low < measured->fmr);
        assert_true(measured->fmr_interval.high > measured->fmr);
        assert_true(measured->fnmr_interval.low < measured->fnmr);
        assert_true(measured->fnmr_interval.high > measured->fnmr);
    }
    distance_histogram_release(&histogram);
    gallery_release(&gallery);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_at_a_threshold_are_shares_below_and_from_it_on),
        cmocka_unit_test(the_threshold_of_a_rate_is_the_largest_that_keeps_to_it),
        cmocka_unit_test(bins_begin_at_short_decimals_and_hold_the_longest_distance),
        cmocka_unit_test(the_curve_runs_from_refusing_all_to_accepting_all),
        cmocka_unit_test(independent_pairs_have_wilsons_interval),
        cmocka_unit_test(the_smallest_rate_offered_is_known_within_a_factor_of_three),
        cmocka_unit_test(between_two_points_the_rates_lie_on_straight_lines),
        cmocka_unit_test(a_gallery_has_operating_points_with_intervals_around_their_rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
