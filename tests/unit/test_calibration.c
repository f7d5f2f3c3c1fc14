#include "model/calibration.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { PER_UNIT = 20000 };

/* Both kinds normal with deviation 0.1, means 0.4 and 0.85: the ratio is a straight line,
 * ((d − 0.85)² − (d − 0.4)²) ÷ (2 × 0.1²). */
static void normal_histogram(struct distance_histogram *histogram) {
    struct error err;
    assert_int_equal(distance_histogram_create(PER_UNIT, histogram, &err), STATUS_OK);
    double genuine = 0, impostor = 0;
    for (int i = 0; i < DISTANCE_BINS; i++) {
        double d = (i + 0.5) / PER_UNIT;
        genuine += histogram->genuine[i] = exp(-pow(d - 0.4, 2) / 0.02);
        impostor += histogram->impostor[i] = exp(-pow(d - 0.85, 2) / 0.02);
    }
    for (int i = 0; i < DISTANCE_BINS; i++) {
        histogram->genuine[i] /= genuine;
        histogram->impostor[i] /= impostor;
    }
}

static double true_llr(double d) { return (pow(d - 0.85, 2) - pow(d - 0.4, 2)) / 0.02; }

static void fit(const struct distance_histogram *histogram, struct calibration *calibration) {
    struct error err;
    assert_int_equal(calibration_fit(histogram, 1e-4, 1e-3, calibration, &err), STATUS_OK);
}

static void the_ratio_of_two_normal_distributions_is_found(void **state) {
    (void)state;
    struct distance_histogram histogram;
    struct calibration calibration;
    normal_histogram(&histogram);
    fit(&histogram, &calibration);
    for (double d = 0.55; d <= 0.73; d += 0.01)
        assert_true(fabs(calibration_llr(&calibration, d) - true_llr(d)) < 0.15);
    distance_histogram_release(&histogram);
}

static void no_ratio_is_claimed_beyond_the_rates_that_are_known(void **state) {
    (void)state;
    struct distance_histogram histogram;
    struct calibration calibration;
    normal_histogram(&histogram);
    fit(&histogram, &calibration);
    assert_true(calibration_llr(&calibration, 0) <= log(1e4));
    assert_true(calibration_llr(&calibration, 0.1) == calibration_llr(&calibration, 0));
    assert_true(calibration_llr(&calibration, 2) >= log(1e-3));
    assert_true(calibration_llr(&calibration, 1e9) == calibration_llr(&calibration, 2));
    distance_histogram_release(&histogram);
}

/* A few genuine pairs far out, as wrong labels make them: the raw ratio rises there. */
static void the_ratio_never_rises_with_the_distance(void **state) {
    (void)state;
    struct distance_histogram histogram;
    struct calibration calibration;
    normal_histogram(&histogram);
    for (int i = 0; i < DISTANCE_BINS; i++)
        histogram.genuine[i] *= 0.95;
    histogram.genuine[PER_UNIT * 74 / 100] += 0.05;
    fit(&histogram, &calibration);
    for (size_t i = 1; i < calibration.count; i++) {
        assert_true(calibration.points[i].distance > calibration.points[i - 1].distance);
        assert_true(calibration.points[i].llr <= calibration.points[i - 1].llr);
    }
    distance_histogram_release(&histogram);
}

static void a_probability_adds_the_priors_odds_to_the_ratio(void **state) {
    (void)state;
    assert_true(calibration_probability(0, 0.5) == 0.5);
    assert_true(fabs(calibration_probability(0, 0.1) - 0.1) < 1e-15);
    /* A ratio of 99 against a prior of one in a hundred: even odds. */
    assert_true(fabs(calibration_probability(log(99), 0.01) - 0.5) < 1e-12);
    assert_true(fabs(calibration_probability(log(3), 0.5) - 0.75) < 1e-12);
}

static void a_good_calibration_predicts_what_is_observed(void **state) {
    (void)state;
    struct distance_histogram histogram;
    struct calibration calibration;
    struct calibration_quality quality;
    normal_histogram(&histogram);
    fit(&histogram, &calibration);
    calibration_check(&calibration, &histogram, 0.625, &quality);
    assert_true(quality.error < 0.002);
    double mass = 0;
    for (int i = 0; i < CALIBRATION_BINS; i++) {
        mass += quality.bins[i].mass;
        assert_true(fabs(quality.bins[i].mass - 1.0 / CALIBRATION_BINS) < 1e-3);
        assert_true(fabs(quality.bins[i].predicted - quality.bins[i].observed) < 0.02);
    }
    assert_true(fabs(mass - 1) < 1e-9);
    assert_true(quality.log_loss < quality.two_valued_log_loss);
    /* FMR = FNMR = Φ(−2.25) at the middle: the entropy of one in 82. */
    double rate = erfc(2.25 / sqrt(2)) / 2;
    double entropy = -rate * log(rate) - (1 - rate) * log(1 - rate);
    assert_true(fabs(quality.two_valued_log_loss - entropy) < 1e-4);
    distance_histogram_release(&histogram);
}

/* Everything is called even: half of the mass is wrong by a half to either side. */
static void a_calibration_that_knows_nothing_has_the_error_of_a_coin(void **state) {
    (void)state;
    struct distance_histogram histogram;
    struct error err;
    assert_int_equal(distance_histogram_create(PER_UNIT, &histogram, &err), STATUS_OK);
    for (int i = 0; i < 1500; i++) {
        histogram.genuine[i] = 1 / 1500.0;
        histogram.impostor[20000 + i] = 1 / 1500.0;
    }
    const struct calibration coin = {.count = 1, .points = {{0.5, 0}}};
    struct calibration_quality quality;
    calibration_check(&coin, &histogram, 0.5, &quality);
    assert_true(fabs(quality.log_loss - log(2)) < 1e-12);
    assert_true(fabs(quality.error - 0.5 * 14 / 15) < 1e-9); /* the bin across the gap is right */
    assert_true(quality.two_valued_log_loss == 0);
    distance_histogram_release(&histogram);
}

static void too_few_pairs_cannot_be_calibrated_with(void **state) {
    (void)state;
    struct distance_histogram histogram;
    struct calibration calibration;
    struct error err = {""};
    normal_histogram(&histogram);
    assert_int_equal(calibration_fit(&histogram, 0.6, 0.1, &calibration, &err),
                     STATUS_INVALID_FIELD);
    assert_int_equal(calibration_fit(&histogram, 0.1, 1, &calibration, &err), STATUS_INVALID_FIELD);
    assert_string_not_equal(err.detail, "");
    distance_histogram_release(&histogram);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ratio_of_two_normal_distributions_is_found),
        cmocka_unit_test(no_ratio_is_claimed_beyond_the_rates_that_are_known),
        cmocka_unit_test(the_ratio_never_rises_with_the_distance),
        cmocka_unit_test(a_probability_adds_the_priors_odds_to_the_ratio),
        cmocka_unit_test(a_good_calibration_predicts_what_is_observed),
        cmocka_unit_test(a_calibration_that_knows_nothing_has_the_error_of_a_coin),
        cmocka_unit_test(too_few_pairs_cannot_be_calibrated_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
