/* Blocks that go round: which one comes back, that nothing is left in it, and how much is kept. The
 * linker leads the module's own malloc and free here (--wrap). */
#include "server/spare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KIB = 1024, MIB = 1024 * KIB };

static bool memory_is_out;
static const uint8_t *watched; /* a block, and how much of it must be zero when it is freed */
static size_t watched_bytes;
static bool freed, freed_clean;

void *__real_malloc(size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void __wrap_free(void *memory);

static bool is_zero(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

void *__wrap_malloc(size_t size) { return memory_is_out ? NULL : __real_malloc(size); }

void __wrap_free(void *memory) {
    if (memory && memory == watched) {
        freed = true;
        freed_clean = is_zero(watched, watched_bytes);
    }
    __real_free(memory);
}

static void watch(const void *block, size_t bytes) {
    watched = block;
    watched_bytes = bytes;
    freed = freed_clean = false;
}

static struct spare *create(size_t bytes_max) {
    struct spare *spare = spare_create(bytes_max);
    assert_non_null(spare);
    return spare;
}

static void *take(struct spare *spare, size_t size) {
    void *block = spare_take(spare, size);
    assert_non_null(block);
    return block;
}

/* ---- what comes back ---- */

static void a_block_that_was_given_is_taken_next(void **state) {
    (void)state;
    struct spare *spare = create(8 * MIB);
    void *block = take(spare, MIB);
    spare_give(spare, block, MIB);
    assert_ptr_equal(take(spare, MIB), block);
    assert_int_equal(spare_bytes(spare), 0);
    spare_give(spare, block, 0);
    spare_destroy(spare);
}

static void two_users_never_have_one_block(void **state) {
    (void)state;
    struct spare *spare = create(8 * MIB);
    spare_give(spare, take(spare, MIB), MIB);
    void *first = take(spare, MIB), *second = take(spare, MIB);
    assert_ptr_not_equal(first, second);
    spare_give(spare, first, 0);
    spare_give(spare, second, 0);
    spare_destroy(spare);
}

static void what_was_in_a_block_is_overwritten(void **state) {
    (void)state;
    struct spare *spare = create(8 * MIB);
    uint8_t *block = take(spare, MIB);
    memset(block, 0xa5, MIB);
    spare_give(spare, block, MIB);
    assert_ptr_equal(take(spare, MIB), block);
    assert_true(is_zero(block, MIB));
    spare_give(spare, block, 0);
    spare_destroy(spare);
}

static void the_block_that_fits_best_is_taken(void **state) {
    (void)state;
    struct spare *spare = create(16 * MIB);
    void *three = take(spare, 3 * MIB), *one = take(spare, MIB), *two = take(spare, 2 * MIB);
    spare_give(spare, three, 0);
    spare_give(spare, one, 0);
    spare_give(spare, two, 0);
    void *block = take(spare, MIB + MIB / 2);
    assert_ptr_equal(block, two);
    spare_give(spare, block, 0);
    spare_destroy(spare);
}

static void of_equal_blocks_the_youngest_is_taken(void **state) {
    (void)state;
    struct spare *spare = create(16 * MIB);
    void *first = take(spare, MIB), *second = take(spare, MIB);
    spare_give(spare, first, 0);
    spare_give(spare, second, 0);
    assert_ptr_equal(take(spare, MIB), second);
    spare_give(spare, second, 0);
    spare_destroy(spare);
}

static void a_small_wish_does_not_take_a_large_block(void **state) {
    (void)state;
    struct spare *spare = create(8 * MIB);
    void *large = take(spare, 4 * MIB);
    spare_give(spare, large, 0);
    void *small = take(spare, MIB + MIB / 2);
    assert_ptr_not_equal(small, large);
    assert_ptr_equal(take(spare, 3 * MIB), large);
    spare_give(spare, large, 0);
    spare_give(spare, small, 0);
    spare_destroy(spare);
}

/* ---- how much is kept ---- */

static void the_oldest_go_where_all_would_be_more_than_is_allowed(void **state) {
    (void)state;
    struct spare *spare = create(4 * MIB);
    void *blocks[5];
    for (int i = 0; i < 5; i++)
        blocks[i] = take(spare, MIB);
    watch(blocks[0], 0);
    for (int i = 0; i < 3; i++) /* of which each has some bytes more than were asked for */
        spare_give(spare, blocks[i], 0);
    assert_false(freed);
    spare_give(spare, blocks[3], 0);
    spare_give(spare, blocks[4], 0);
    assert_true(freed);
    assert_in_range(spare_bytes(spare), 3 * MIB, 4 * MIB);
    assert_ptr_equal(take(spare, MIB), blocks[4]);
    spare_give(spare, blocks[4], 0);
    spare_destroy(spare);
}

static void the_oldest_go_where_all_would_be_too_many(void **state) {
    (void)state;
    enum { MANY = 1000 };
    struct spare *spare = create((size_t)1024 * MIB);
    void *blocks[MANY];
    for (int i = 0; i < MANY; i++)
        blocks[i] = take(spare, SPARE_BLOCK_MIN);
    watch(blocks[0], 0);
    for (int i = 0; i < MANY; i++)
        spare_give(spare, blocks[i], 0);
    assert_true(freed);
    assert_in_range(spare_bytes(spare), SPARE_BLOCK_MIN, MANY / 2 * SPARE_BLOCK_MIN);
    assert_ptr_equal(take(spare, SPARE_BLOCK_MIN), blocks[MANY - 1]);
    spare_give(spare, blocks[MANY - 1], 0);
    spare_destroy(spare);
}

static void
a_block_that_alone_is_too_large_is_overwritten_and_freed_and_the_others_stay(void **state) {
    (void)state;
    struct spare *spare = create(4 * MIB);
    void *kept = take(spare, MIB), *large = take(spare, 5 * MIB);
    spare_give(spare, kept, 0);
    memset(large, 0xa5, 5 * MIB);
    watch(large, 5 * MIB);
    spare_give(spare, large, 5 * MIB);
    assert_true(freed && freed_clean);
    assert_ptr_equal(take(spare, MIB), kept);
    spare_give(spare, kept, 0);
    spare_destroy(spare);
}

static void a_small_block_is_overwritten_and_freed(void **state) {
    (void)state;
    struct spare *spare = create(4 * MIB);
    void *block = take(spare, 100 * KIB);
    memset(block, 0xa5, 100 * KIB);
    watch(block, 100 * KIB);
    spare_give(spare, block, 100 * KIB);
    assert_true(freed && freed_clean);
    assert_int_equal(spare_bytes(spare), 0);
    spare_destroy(spare);
}

static void where_nothing_may_be_kept_nothing_is(void **state) {
    (void)state;
    struct spare *spare = create(0);
    void *block = take(spare, MIB);
    watch(block, 0);
    spare_give(spare, block, 0);
    assert_true(freed);
    spare_destroy(spare);
}

static void what_is_kept_goes_with_the_spare(void **state) {
    (void)state;
    struct spare *spare = create(4 * MIB);
    void *block = take(spare, MIB);
    spare_give(spare, block, 0);
    watch(block, 0);
    spare_destroy(spare);
    assert_true(freed);
}

/* ---- without ---- */

static void without_a_spare_a_block_is_overwritten_and_freed(void **state) {
    (void)state;
    void *block = take(NULL, MIB);
    memset(block, 0xa5, MIB);
    watch(block, MIB);
    spare_give(NULL, block, MIB);
    assert_true(freed && freed_clean);
}

static void no_block_and_no_spare_are_given_in_vain(void **state) {
    (void)state;
    struct spare *spare = create(4 * MIB);
    spare_give(spare, NULL, MIB);
    spare_give(NULL, NULL, MIB);
    assert_int_equal(spare_bytes(spare), 0);
    spare_destroy(spare);
    spare_destroy(NULL);
}

static void without_memory_there_are_only_blocks_that_were_kept(void **state) {
    (void)state;
    struct spare *spare = create(4 * MIB);
    void *block = take(spare, MIB);
    spare_give(spare, block, 0);
    memory_is_out = true;
    void *kept = spare_take(spare, MIB), *none = spare_take(spare, MIB);
    void *without = spare_take(NULL, MIB);
    memory_is_out = false;
    assert_ptr_equal(kept, block);
    assert_null(none);
    assert_null(without);
    spare_give(spare, kept, 0);
    spare_destroy(spare);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_that_was_given_is_taken_next),
        cmocka_unit_test(two_users_never_have_one_block),
        cmocka_unit_test(what_was_in_a_block_is_overwritten),
        cmocka_unit_test(the_block_that_fits_best_is_taken),
        cmocka_unit_test(of_equal_blocks_the_youngest_is_taken),
        cmocka_unit_test(a_small_wish_does_not_take_a_large_block),
        cmocka_unit_test(the_oldest_go_where_all_would_be_more_than_is_allowed),
        cmocka_unit_test(the_oldest_go_where_all_would_be_too_many),
        cmocka_unit_test(
            a_block_that_alone_is_too_large_is_overwritten_and_freed_and_the_others_stay),
        cmocka_unit_test(a_small_block_is_overwritten_and_freed),
        cmocka_unit_test(where_nothing_may_be_kept_nothing_is),
        cmocka_unit_test(what_is_kept_goes_with_the_spare),
        cmocka_unit_test(without_a_spare_a_block_is_overwritten_and_freed),
        cmocka_unit_test(no_block_and_no_spare_are_given_in_vain),
        cmocka_unit_test(without_memory_there_are_only_blocks_that_were_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
