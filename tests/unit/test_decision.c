#include "tests/unit/folder.h"

#include "model/decision.h"

#include <math.h>

static const struct card CARD = {
    .thresholds_count = 3,
    .thresholds = {{.fmr = 0.01, .threshold = 0.618},
                   {.fmr = 0.001, .threshold = 0.544},
                   {.fmr = 0.0001, .threshold = 0.4755}},
};

static void distance_is_euclidean_in_double(void **state) {
    (void)state;
    const float a[] = {1, 2, 3}, b[] = {4, 6, 3};
    assert_true(decision_distance(a, b, 3) == 5);
    assert_true(decision_distance(b, a, 3) == 5);
    assert_true(decision_distance(a, a, 3) == 0);
    /* A sum in float32 would lose the small one beside the large. */
    const float c[] = {4096, 0.25f}, zero[] = {0, 0};
    assert_true(decision_distance(c, zero, 2) == sqrt(4096.0 * 4096.0 + 0.0625));
}

static double threshold_for(double max_fmr) {
    struct decision decision;
    assert_int_equal(decision_by_max_fmr(&CARD, max_fmr, &decision, NULL), STATUS_OK);
    assert_int_equal(decision.rule, DECISION_MAX_FMR);
    assert_true(decision.max_fmr == max_fmr);
    return decision.threshold;
}

static void takes_the_largest_measured_rate_within_the_one_asked_for(void **state) {
    (void)state;
    assert_true(threshold_for(1) == 0.618);
    assert_true(threshold_for(0.01) == 0.618);
    assert_true(threshold_for(0.00999) == 0.544);
    assert_true(threshold_for(0.001) == 0.544);
    assert_true(threshold_for(0.0002) == 0.4755);
    assert_true(threshold_for(0.0001) == 0.4755);
}

static void a_rate_below_the_data_is_refused_with_the_smallest(void **state) {
    (void)state;
    struct decision decision;
    struct error err;
    assert_int_equal(decision_by_max_fmr(&CARD, 0.00009, &decision, &err), STATUS_UNSUPPORTED_FMR);
    assert_non_null(strstr(err.detail, "0.0001"));
}

static void a_card_without_thresholds_is_not_calibrated(void **state) {
    (void)state;
    const struct card card = {.thresholds_count = 0};
    struct decision decision;
    assert_int_equal(decision_by_max_fmr(&card, 0.001, &decision, NULL), STATUS_NOT_CALIBRATED);
}

static void a_rate_that_is_none_is_refused(void **state) {
    (void)state;
    static const double rates[] = {0, -1, 1.5, NAN, INFINITY};
    struct decision decision;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
        assert_int_equal(decision_by_max_fmr(&CARD, rates[i], &decision, NULL),
                         STATUS_INVALID_FIELD);
}

static void accepts_below_the_threshold_only(void **state) {
    (void)state;
    struct decision decision = decision_by_threshold(0.6);
    assert_int_equal(decision.rule, DECISION_THRESHOLD);
    assert_true(decision_verified(&decision, nextafter(0.6, 0)));
    assert_false(decision_verified(&decision, 0.6));
    assert_false(decision_verified(&decision, NAN));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance_is_euclidean_in_double),
        cmocka_unit_test(takes_the_largest_measured_rate_within_the_one_asked_for),
        cmocka_unit_test(a_rate_below_the_data_is_refused_with_the_smallest),
        cmocka_unit_test(a_card_without_thresholds_is_not_calibrated),
        cmocka_unit_test(a_rate_that_is_none_is_refused),
        cmocka_unit_test(accepts_below_the_threshold_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
