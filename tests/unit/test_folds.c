#include "model/folds.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_near(double value, double expected) {
    assert_true(fabs(value - expected) <= 1e-12);
}

/* Two folds. Fold 0's genuine pairs lie at 0.1 and 0.2, its impostors at 0.4 and 0.5; fold 1's at
 * 0.1 and 0.45, and at 0.5 and 0.6. On fold 1 alone the best threshold is 0.475, half way between
 * 0.45 and 0.5: it accepts fold 0's impostor at 0.4, so fold 0 has 3 of 4 right. On fold 0 alone it
 * is 0.3, which refuses fold 1's genuine pair at 0.45: 3 of 4 again. */
static const struct evaluation_pair TWO[] = {{0.1, true}, {0.2, true},  {0.4, false}, {0.5, false},
                                             {0.1, true}, {0.45, true}, {0.5, false}, {0.6, false}};
static const uint32_t TWO_FOLDS[] = {0, 0, 0, 0, 1, 1, 1, 1};

static void the_threshold_of_a_fold_is_chosen_on_the_others(void **state) {
    (void)state;
    struct folds folds;
    assert_int_equal(folds_measure(TWO, TWO_FOLDS, 8, 2, &folds, NULL), STATUS_OK);
    assert_near(folds.list[0].threshold, 0.475);
    assert_near(folds.list[0].accuracy, 0.75);
    assert_near(folds.list[1].threshold, 0.3);
    assert_near(folds.list[1].accuracy, 0.75);
    assert_near(folds.accuracy, 0.75);
    assert_near(folds.standard_error, 0);
}

/* Ten folds of 20 pairs with all genuine at 0.3 and all impostors at 0.7, but for 2·f wrongly
 * placed ones in fold f < 5: the others always say 0.5, and fold f has 20 − 2f of 20 right. */
static void ten_folds_have_the_accuracy_and_standard_error_known_by_hand(void **state) {
    (void)state;
    enum { FOLDS = 10, EACH = 20 };
    struct evaluation_pair pairs[FOLDS * EACH];
    uint32_t fold_of[FOLDS * EACH];
    for (uint32_t i = 0; i < FOLDS * EACH; i++) {
        uint32_t fold = i / EACH, within = i % EACH;
        bool same = within < EACH / 2;
        bool wrong = fold < 5 && within < 2 * fold;
        fold_of[i] = fold;
        pairs[i] = (struct evaluation_pair){same != wrong ? 0.3 : 0.7, same};
    }
    struct folds folds;
    assert_int_equal(folds_measure(pairs, fold_of, FOLDS * EACH, FOLDS, &folds, NULL), STATUS_OK);
    for (uint32_t fold = 0; fold < FOLDS; fold++) {
        assert_near(folds.list[fold].threshold, 0.5);
        assert_int_equal(folds.list[fold].pairs, EACH);
        assert_near(folds.list[fold].accuracy, fold < 5 ? 1 - 0.1 * fold : 1);
    }
    /* 1, .9, .8, .7, .6 and five times 1: mean .9, Σ(x − mean)² = .01 + 0 + .01 + .04 + .09 + .05
     */
    assert_near(folds.accuracy, 0.9);
    assert_near(folds.standard_error, sqrt(0.2 / 9 / 10));
}

static void the_order_of_the_pairs_does_not_matter(void **state) {
    (void)state;
    struct evaluation_pair pairs[8];
    uint32_t fold_of[8];
    for (int i = 0; i < 8; i++) {
        pairs[i] = TWO[(i * 3) % 8];
        fold_of[i] = TWO_FOLDS[(i * 3) % 8];
    }
    struct folds one, other;
    assert_int_equal(folds_measure(TWO, TWO_FOLDS, 8, 2, &one, NULL), STATUS_OK);
    assert_int_equal(folds_measure(pairs, fold_of, 8, 2, &other, NULL), STATUS_OK);
    assert_near(other.list[0].threshold, one.list[0].threshold);
    assert_near(other.list[1].accuracy, one.list[1].accuracy);
}

static void where_only_one_kind_is_known_everything_is_called_that(void **state) {
    (void)state;
    static const struct evaluation_pair pairs[] = {
        {0.2, true}, {0.3, true}, {0.1, false}, {0.5, false}};
    static const uint32_t fold_of[] = {0, 0, 1, 1};
    struct folds folds;
    assert_int_equal(folds_measure(pairs, fold_of, 4, 2, &folds, NULL), STATUS_OK);
    assert_near(folds.list[0].accuracy, 0); /* fold 1 knows impostors alone: accept nothing */
    assert_near(folds.list[0].threshold, 0);
    assert_near(folds.list[1].accuracy, 0.5); /* fold 0 accepts up to just above 0.3 */
    assert_true(folds.list[1].threshold > 0.3 && folds.list[1].threshold < 0.3 + 1e-9);
}

static void a_fold_without_pairs_and_a_distance_that_is_no_number_are_refused(void **state) {
    (void)state;
    struct folds folds;
    struct error err;
    struct evaluation_pair pairs[] = {{0.1, true}, {0.2, false}};
    static const uint32_t fold_of[] = {0, 0};
    assert_int_equal(folds_measure(pairs, fold_of, 2, 2, &folds, &err), STATUS_INVALID_FIELD);
    static const uint32_t both[] = {0, 1};
    pairs[1].distance = NAN;
    assert_int_equal(folds_measure(pairs, both, 2, 2, &folds, &err), STATUS_INVALID_FIELD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_threshold_of_a_fold_is_chosen_on_the_others),
        cmocka_unit_test(ten_folds_have_the_accuracy_and_standard_error_known_by_hand),
        cmocka_unit_test(the_order_of_the_pairs_does_not_matter),
        cmocka_unit_test(where_only_one_kind_is_known_everything_is_called_that),
        cmocka_unit_test(a_fold_without_pairs_and_a_distance_that_is_no_number_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
