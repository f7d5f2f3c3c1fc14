#include "model/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Computed apart, in Python's integers, from the authors' description; seed 42. */
static void the_sequence_of_a_seed_is_that_of_xoshiro256(void **state) {
    (void)state;
    struct random_generator generator = random_seeded(42);
    static const uint64_t expected[] = {0x15780b2e0c2ec716u, 0x6104d9866d113a7eu,
                                        0xae17533239e499a1u, 0xecb8ad4703b360a1u};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_true(random_bits(&generator) == expected[i]);
}

static void the_same_seed_gives_the_same_numbers_and_another_seed_others(void **state) {
    (void)state;
    struct random_generator a = random_seeded(7), b = random_seeded(7), c = random_seeded(8);
    bool differ = false;
    for (int i = 0; i < 100; i++) {
        uint64_t value = random_bits(&a);
        assert_true(value == random_bits(&b));
        differ |= value != random_bits(&c);
    }
    assert_true(differ);
}

static void a_bounded_number_takes_each_value_equally_often(void **state) {
    (void)state;
    enum { BOUND = 7, DRAWS = 70000 };
    struct random_generator generator = random_seeded(1);
    unsigned counts[BOUND] = {0};
    for (unsigned i = 0; i < DRAWS; i++)
        counts[random_below(&generator, BOUND)]++;
    for (unsigned i = 0; i < BOUND; i++) /* ± 5 standard deviations of a binomial count */
        assert_in_range(counts[i], DRAWS / BOUND - 463, DRAWS / BOUND + 463);
}

static void a_bound_of_one_gives_zero(void **state) {
    (void)state;
    struct random_generator generator = random_seeded(1);
    assert_int_equal(random_below(&generator, 1), 0);
}

static void a_shuffle_keeps_every_value_and_reaches_every_order(void **state) {
    (void)state;
    struct random_generator generator = random_seeded(3);
    unsigned seen[27] = {0};
    for (int i = 0; i < 6000; i++) {
        uint32_t values[3] = {0, 1, 2};
        random_shuffle(&generator, values, 3);
        assert_int_equal(values[0] + values[1] + values[2], 3);
        assert_int_equal(values[0] * values[1] * values[2], 0);
        seen[values[0] * 9 + values[1] * 3 + values[2]]++;
    }
    unsigned orders = 0;
    for (unsigned i = 0; i < 27; i++) {
        orders += seen[i] > 0;
        assert_true(seen[i] == 0 || (seen[i] > 850 && seen[i] < 1150));
    }
    assert_int_equal(orders, 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sequence_of_a_seed_is_that_of_xoshiro256),
        cmocka_unit_test(the_same_seed_gives_the_same_numbers_and_another_seed_others),
        cmocka_unit_test(a_bounded_number_takes_each_value_equally_often),
        cmocka_unit_test(a_bound_of_one_gives_zero),
        cmocka_unit_test(a_shuffle_keeps_every_value_and_reaches_every_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
