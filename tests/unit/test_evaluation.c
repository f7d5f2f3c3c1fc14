#include "tests/unit/folder.h"

#include "model/card.h"
#include "model/evaluation.h"
#include "model/evaluation_json.h"
#include "tests/unit/evaluation_golden.h"

#include <math.h>

static void near(const char *what, size_t i, double got, double expected) {
    if (!(fabs(got - expected) <= 1e-12))
        fail_msg("%s of golden case %zu: %.17g, scikit-learn says %.17g", what, i, got, expected);
}

static void agrees_with_scikit_learn(void **state) {
    (void)state;
    const struct evaluation_pair *pairs = GOLDEN_PAIRS;
    for (size_t i = 0; i < sizeof(GOLDEN_CASES) / sizeof(GOLDEN_CASES[0]); i++) {
        const struct golden_case *golden = &GOLDEN_CASES[i];
        struct evaluation e;
        assert_int_equal(evaluation_measure(pairs, golden->count, golden->threshold, &e, NULL),
                         STATUS_OK);
        near("accuracy", i, e.accuracy, golden->accuracy);
        near("precision", i, e.precision, golden->precision);
        near("recall", i, e.recall, golden->recall);
        near("F1", i, e.f1, golden->f1);
        near("ROC AUC", i, e.roc_auc, golden->roc_auc);
        near("EER", i, e.eer, golden->eer);
        near("EER's threshold", i, e.eer_threshold, golden->eer_threshold);
        pairs += golden->count;
    }
}

static void counts_by_hand(void **state) {
    (void)state;
    const struct evaluation_pair pairs[] = {{0.3, true},  {0.5, false}, {0.6, true}, {0.7, true},
                                            {0.8, false}, {0.9, false}, {0.4, true}};
    struct evaluation e;
    assert_int_equal(evaluation_measure(pairs, 7, 0.6, &e, NULL), STATUS_OK);
    assert_int_equal(e.pairs, 7);
    assert_int_equal(e.genuine, 4);
    assert_int_equal(e.impostor, 3);
    assert_int_equal(e.true_accept, 2); /* 0.6 is not below 0.6 */
    assert_int_equal(e.false_accept, 1);
    assert_int_equal(e.false_reject, 2);
    assert_int_equal(e.true_reject, 2);
    assert_true(e.fmr == 1.0 / 3 && e.fnmr == 0.5 && e.recall == 0.5);
    assert_true(fabs(e.roc_auc - 10.0 / 12) < 1e-15);
}

static void perfect_separation_has_no_errors(void **state) {
    (void)state;
    const struct evaluation_pair pairs[] = {{0.1, true}, {0.2, true}, {0.8, false}, {0.9, false}};
    struct evaluation e;
    assert_int_equal(evaluation_measure(pairs, 4, 0.5, &e, NULL), STATUS_OK);
    assert_true(e.accuracy == 1 && e.roc_auc == 1 && e.eer == 0 && e.f1 == 1);
    assert_true(e.eer_threshold > 0.2 && e.eer_threshold <= 0.8);
}

static void equal_distances_decide_nothing(void **state) {
    (void)state;
    const struct evaluation_pair pairs[] = {{0.5, true}, {0.5, false}, {0.5, false}};
    struct evaluation e;
    assert_int_equal(evaluation_measure(pairs, 3, 0.5, &e, NULL), STATUS_OK);
    assert_true(e.roc_auc == 0.5 && e.eer == 0.5);
    assert_true(e.precision == 0 && e.f1 == 0); /* nothing is accepted */
}

static void refuses_what_cannot_be_measured(void **state) {
    (void)state;
    const struct evaluation_pair alone[] = {{0.5, true}, {0.4, true}};
    const struct evaluation_pair nan[] = {{0.5, true}, {NAN, false}};
    const struct evaluation_pair negative[] = {{0.5, true}, {-0.1, false}};
    struct evaluation e;
    assert_int_equal(evaluation_measure(alone, 2, 0.5, &e, NULL), STATUS_INVALID_FIELD);
    assert_int_equal(evaluation_measure(alone, 0, 0.5, &e, NULL), STATUS_INVALID_FIELD);
    assert_int_equal(evaluation_measure(nan, 2, 0.5, &e, NULL), STATUS_INVALID_FIELD);
    assert_int_equal(evaluation_measure(negative, 2, 0.5, &e, NULL), STATUS_INVALID_FIELD);
}

static void the_report_is_what_a_card_reads(void **state) {
    (void)state;
    const struct evaluation_pair pairs[] = {{0.3, true}, {0.5, false}, {0.61, true}};
    struct evaluation e;
    assert_int_equal(evaluation_measure(pairs, 3, 0.6, &e, NULL), STATUS_OK);
    const struct evaluation_report report = {.protocol = "by-hand",
                                             .model = "net",
                                             .version = "3",
                                             .weights_sha256 = "w",
                                             .pairs_sha256 = "p",
                                             .face = "centre",
                                             .no_face = "reject",
                                             .pairs_listed = 4,
                                             .images = 6,
                                             .faces_not_found = 1,
                                             .evaluation = &e};
    size_t size;
    char *json = evaluation_json(&report, &size);
    assert_non_null(strstr(json, "\"pairs_left_out\": 1"));
    assert_non_null(strstr(json, "\"faces_not_found\": 1"));

    struct folder folder = folder_create();
    char place[128];
    snprintf(place, sizeof(place), "%s/evaluation.json", folder.path);
    folder_write(&folder, "evaluation.json", json, size);
    struct card_metrics metrics;
    assert_int_equal(card_metrics_read(place, &metrics, NULL), STATUS_OK);
    assert_string_equal(metrics.protocol, "by-hand");
    assert_int_equal(metrics.pairs, 3);
    assert_true(metrics.accuracy == e.accuracy && metrics.precision == e.precision);
    assert_true(metrics.recall == e.recall && metrics.f1 == e.f1);
    assert_true(metrics.roc_auc == e.roc_auc && metrics.eer == e.eer && metrics.threshold == 0.6);
    folder_remove(&folder);
    free(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_scikit_learn),
        cmocka_unit_test(counts_by_hand),
        cmocka_unit_test(perfect_separation_has_no_errors),
        cmocka_unit_test(equal_distances_decide_nothing),
        cmocka_unit_test(refuses_what_cannot_be_measured),
        cmocka_unit_test(the_report_is_what_a_card_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
