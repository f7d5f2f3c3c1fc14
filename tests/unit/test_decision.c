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

static void an_uncalibrated_card_knows_no_rates_and_no_probability(void **state) {
    (void)state;
    struct error_rates_point rates;
    struct decision_evidence evidence;
    assert_false(decision_rates(&CARD, 0.544, &rates));
    assert_false(decision_evidence(&CARD, 0.544, 0.5, &evidence));
}

static void a_calibrated_card_tells_the_rates_at_exactly_the_threshold(void **state) {
    (void)state;
    static const struct card card = {
        .measured.error_rates = {.count = 2,
                                 .points = {{0.5, 0.1, 0.4, {0.05, 0.2}, {0.3, 0.5}},
                                            {0.6, 0.3, 0.2, {0.25, 0.4}, {0.1, 0.3}}}}};
    struct error_rates_point rates;
    assert_true(decision_rates(&card, 0.55, &rates));
    assert_true(rates.threshold == 0.55 && fabs(rates.fmr - 0.2) < 1e-12);
    assert_true(fabs(rates.fnmr_interval.high - 0.4) < 1e-12);
}

static void the_probability_weighs_the_ratio_with_the_prior(void **state) {
    (void)state;
    static const struct card card = {
        .measured.calibration = {.count = 2, .points = {{0.4, 4}, {0.6, -4}}}};
    struct decision_evidence evidence;
    assert_true(decision_evidence(&card, 0.5, 0.25, &evidence));
    assert_true(fabs(evidence.log_likelihood_ratio) < 1e-12);
    assert_true(fabs(evidence.probability - 0.25) < 1e-12);
    assert_true(decision_evidence(&card, 0.1, 0.5, &evidence));
    assert_true(evidence.log_likelihood_ratio == 4);
    assert_true(fabs(evidence.probability - 1 / (1 + exp(-4))) < 1e-12);
}

static void an_embedding_near_the_mean_is_atypical(void **state) {
    (void)state;
    float mean[] = {1, 2};
    const float near[] = {1, 2.29f}, at[] = {1, 2.5f}, far[] = {4, 6};
    const struct card card = {.embedding_length = 2,
                              .typical = {.mean = mean, .distance_min = 0.5, .share = 0.001}};
    assert_true(decision_typical_known(&card));
    assert_true(decision_atypical(&card, mean));
    assert_true(decision_atypical(&card, near));
    assert_false(decision_atypical(&card, at));
    assert_false(decision_atypical(&card, far));
}

static void without_a_mean_no_embedding_is_atypical(void **state) {
    (void)state;
    const float zero[] = {0, 0};
    const struct card card = {.embedding_length = 2};
    assert_false(decision_typical_known(&card));
    assert_false(decision_atypical(&card, zero));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance_is_euclidean_in_double),
        cmocka_unit_test(takes_the_largest_measured_rate_within_the_one_asked_for),
        cmocka_unit_test(a_rate_below_the_data_is_refused_with_the_smallest),
        cmocka_unit_test(a_card_without_thresholds_is_not_calibrated),
        cmocka_unit_test(a_rate_that_is_none_is_refused),
        cmocka_unit_test(accepts_below_the_threshold_only),
        cmocka_unit_test(an_uncalibrated_card_knows_no_rates_and_no_probability),
        cmocka_unit_test(a_calibrated_card_tells_the_rates_at_exactly_the_threshold),
        cmocka_unit_test(the_probability_weighs_the_ratio_with_the_prior),
        cmocka_unit_test(an_embedding_near_the_mean_is_atypical),
        cmocka_unit_test(without_a_mean_no_embedding_is_atypical),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
