/* Fails the k-th allocation, for k = 1, 2, … until none fails: whatever runs out of memory says so
 * and leaves nothing behind (the leak checker of the asan preset looks). The linker leads our own
 * calls of malloc and calloc here (--wrap); those of libc and libuv are not touched. */
#include "server/loop.h"
#include "server/metrics.h"
#include "server/pool.h"
#include "server/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned fails_at, allocations; /* which allocation fails, counted from 1; 0: none */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_malloc(size_t size) { return ++allocations == fails_at ? NULL : __real_malloc(size); }

void *__wrap_calloc(size_t count, size_t size) {
    return ++allocations == fails_at ? NULL : __real_calloc(count, size);
}

static void fail_allocation(unsigned k) {
    fails_at = k;
    allocations = 0;
}

/* True when the last attempt had no allocation left to fail. */
static bool all_failed(void) {
    bool done = allocations < fails_at;
    fails_at = 0;
    return done;
}

static void a_queue_without_memory_is_none(void **state) {
    (void)state;
    fail_allocation(1);
    assert_null(queue_create(1));
    assert_false(all_failed());
}

static void a_loop_without_memory_says_so(void **state) {
    (void)state;
    struct loop *loop;
    struct error err;
    fail_allocation(1);
    assert_int_equal(loop_create(&loop, &err), STATUS_INTERNAL);
    assert_string_equal(err.detail, "Out of memory.");
    assert_false(all_failed());
}

static void a_pool_without_memory_says_so_at_each_of_its_allocations(void **state) {
    (void)state;
    struct pool_options options = {.name = "test", .threads = 2, .tasks_max = 4};
    for (unsigned k = 1;; k++) {
        struct pool *pool = NULL;
        struct error err;
        fail_allocation(k);
        enum status status = pool_create(&options, &pool, &err);
        if (all_failed()) {
            assert_int_equal(status, STATUS_OK);
            assert_true(k > 2);
            pool_destroy(pool);
            return;
        }
        assert_int_equal(status, STATUS_INTERNAL);
        assert_string_equal(err.detail, "Out of memory.");
        assert_null(pool);
    }
}

static void metrics_without_memory_are_none(void **state) {
    (void)state;
    for (unsigned k = 1;; k++) {
        fail_allocation(k);
        struct metrics *metrics = metrics_create();
        bool done = all_failed();
        assert_int_equal(metrics != NULL, done);
        metrics_destroy(metrics);
        if (done) {
            assert_true(k > 2);
            return;
        }
    }
}

static void an_observation_without_memory_is_lost_and_the_next_one_counts(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    assert_non_null(metrics);
    fail_allocation(1);
    metrics_observe(metrics, METRIC_BATCH_SIZE, 2, "m");
    assert_false(all_failed());
    metrics_observe(metrics, METRIC_BATCH_SIZE, 3, "m");
    size_t size;
    char *text = metrics_text(metrics, &size);
    assert_non_null(text);
    assert_non_null(strstr(text, "\nfacepair_batch_size_sum{model=\"m\"} 3\n"));
    free(text);
    metrics_destroy(metrics);
}

static void a_series_that_exists_costs_no_allocation(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    assert_non_null(metrics);
    metrics_observe(metrics, METRIC_DISTANCE, 0.5, "m", "1");
    metrics_add(metrics, METRIC_REJECTED, 1, "overloaded");
    fail_allocation(0);
    for (int i = 0; i < 100; i++) {
        metrics_observe(metrics, METRIC_DISTANCE, 0.5, "m", "1");
        metrics_add(metrics, METRIC_REJECTED, 1, "overloaded");
        metrics_set(metrics, METRIC_READY, 1);
    }
    assert_int_equal(allocations, 0);
    metrics_destroy(metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_without_memory_is_none),
        cmocka_unit_test(a_loop_without_memory_says_so),
        cmocka_unit_test(a_pool_without_memory_says_so_at_each_of_its_allocations),
        cmocka_unit_test(metrics_without_memory_are_none),
        cmocka_unit_test(an_observation_without_memory_is_lost_and_the_next_one_counts),
        cmocka_unit_test(a_series_that_exists_costs_no_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
