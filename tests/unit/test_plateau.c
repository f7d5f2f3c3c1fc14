/* The scheduler against PyTorch's own, epoch by epoch. */
#include "tests/unit/folder.h"

#include "model/finetune/plateau.h"

#include <math.h>

#include "tests/unit/plateau_golden.h"

static void rates_are_pytorchs(void **state) {
    (void)state;
    for (int i = 0; i < PLATEAU_CASES; i++) {
        struct plateau plateau = plateau_begin(PLATEAU_GOLDEN[i].rate, PLATEAU_GOLDEN[i].factor,
                                               PLATEAU_GOLDEN[i].patience);
        for (int epoch = 0; epoch < PLATEAU_EPOCHS; epoch++)
            assert_true(plateau_step(&plateau, PLATEAU_GOLDEN[i].losses[epoch]) ==
                        PLATEAU_GOLDEN[i].rates[epoch]);
    }
}

static void a_copy_goes_on_alike(void **state) {
    (void)state;
    struct plateau plateau = plateau_begin(1e-3, 0.1, 1);
    plateau_step(&plateau, 1);
    plateau_step(&plateau, 2);
    struct plateau copy = plateau;
    assert_true(plateau_step(&plateau, 2) == plateau_step(&copy, 2));
    assert_true(plateau.learning_rate < 1e-3);
}

static void a_loss_that_is_no_number_is_no_better(void **state) {
    (void)state;
    struct plateau plateau = plateau_begin(1e-3, 0.1, 0);
    plateau_step(&plateau, NAN);
    assert_true(isinf(plateau.best));
    assert_true(plateau.learning_rate < 1e-3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_pytorchs),
        cmocka_unit_test(a_copy_goes_on_alike),
        cmocka_unit_test(a_loss_that_is_no_number_is_no_better),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
