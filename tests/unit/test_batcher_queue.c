/* Items that wait: refused, abandoned, late, told for how long, computed before the end. */
#include "batcher_bench.h"

static void assert_untouched(const struct watched *watched) {
    static const float zero[2 * LENGTH];
    assert_memory_equal(watched->embeddings, zero, sizeof(zero));
}

static void abandoned_and_late_pairs_come_back_uncomputed(void **state) {
    (void)state;
    struct bench *bench = start(8, 250, 64);
    hold_worker(bench);
    const atomic_bool abandoned = true;
    bench->pairs[0].item.abandoned = &abandoned;
    bench->pairs[1].item.deadline_us = 1;
    bench->pairs[2].item.deadline_us = clock_monotonic_us() + 3600000000u;
    for (int i = 0; i < 3; i++)
        submit(bench, i);
    release_worker(bench, 3);
    assert_int_equal(bench->pairs[0].item.status, STATUS_OVERLOADED);
    assert_untouched(&bench->pairs[0]);
    assert_int_equal(bench->pairs[1].item.status, STATUS_DEADLINE_EXCEEDED);
    assert_untouched(&bench->pairs[1]);
    assert_embedded(bench, 2);
    stop(bench);
}

static void a_crowd_at_one_version_refuses_that_version_alone(void **state) {
    (void)state;
    struct bench *bench = start(2, 250, 64);
    hold_worker(bench);
    submit(bench, 0);
    submit(bench, 1);
    assert_false(batcher_has_room(bench->batcher, &bench->first));
    assert_false(batcher_submit(bench->batcher, &bench->pairs[2].item));
    assert_int_equal(bench->pairs[2].item.status, STATUS_COUNT);
    assert_true(batcher_has_room(bench->batcher, &bench->second));
    bench->pairs[3].item.version = &bench->second;
    submit(bench, 3);
    assert_int_equal(batcher_length(bench->batcher), 3);
    release_worker(bench, 3);
    submit(bench, 2);
    wait_done(bench, 1);
    assert_embedded(bench, 2);
    assert_embedded(bench, 3);
    stop(bench);
}

static void closing_computes_what_is_queued(void **state) {
    (void)state;
    struct bench *bench = start(8, 250, 4);
    hold_worker(bench);
    for (int i = 0; i < 6; i++)
        submit(bench, i);
    sem_post(&bench->gate_open);
    batcher_destroy(bench->batcher);
    bench->batcher = NULL;
    for (int i = 0; i < 6; i++)
        assert_embedded(bench, i);
    stop(bench);
}

static void the_wait_told_is_for_what_comes_before_the_version(void **state) {
    (void)state;
    struct bench *bench = start(8, 250, 64);
    uint64_t under_way_us;
    assert_int_equal(batcher_wait_us(bench->batcher, &bench->first, &under_way_us), 0);
    assert_int_equal(under_way_us, 0);
    hold_worker(bench);
    bench->first.face_us = 7000000;
    bench->second.face_us = 1000;
    assert_int_equal(batcher_wait_us(bench->batcher, &bench->first, &under_way_us), 0);
    for (int i = 0; i < 4; i++)
        submit(bench, i);
    assert_int_equal(batcher_wait_us(bench->batcher, &bench->first, &under_way_us),
                     UINT64_C(4) * 14 * 1000000);
    assert_int_equal(batcher_wait_us(bench->batcher, &bench->second, &under_way_us), 14 * 1000000);
    bench->first.face_us = 1;
    release_worker(bench, 4);
    stop(bench);
}

/* The batch that is being computed is waited for too. */
static void the_batch_under_way_is_told_by_itself(void **state) {
    (void)state;
    setenv("FACEPAIR_STUB_FACE_US", "150000", 1);
    struct bench *bench = start(8, 250, 64);
    unsetenv("FACEPAIR_STUB_FACE_US");
    bench->first.face_us = 5000000; /* believed */
    submit(bench, 0);
    while (batcher_length(bench->batcher) > 0)
        sched_yield();
    uint64_t under_way_us;
    assert_int_equal(batcher_wait_us(bench->batcher, &bench->second, &under_way_us), 0);
    assert_in_range(under_way_us, 1, 10 * 1000000);
    wait_done(bench, 1);
    batcher_wait_us(bench->batcher, &bench->second, &under_way_us);
    assert_int_equal(under_way_us, 0);
    stop(bench);
}

struct submitter {
    struct bench *bench;
    struct watched *watched;
    pthread_t thread;
};

/* One pair again and again, waiting for each to come back. */
static void *submit_many(void *argument) {
    struct submitter *submitter = argument;
    struct watched *watched = submitter->watched;
    for (int i = 0; i < 100; i++) {
        atomic_store(&watched->back, false);
        while (!batcher_submit(submitter->bench->batcher, &watched->item))
            sched_yield();
        while (!atomic_load(&watched->back))
            sched_yield();
        if (watched->item.status != STATUS_OK)
            return watched;
    }
    return NULL;
}

static void serves_many_submitters(void **state) {
    (void)state;
    enum { SUBMITTERS = 4 };
    struct bench *bench = start(2, 250, 4);
    struct submitter submitters[SUBMITTERS];
    for (int i = 0; i < SUBMITTERS; i++) {
        bench->pairs[i].item.version = i % 2 ? &bench->first : &bench->second;
        submitters[i] = (struct submitter){.bench = bench, .watched = &bench->pairs[i]};
        pthread_create(&submitters[i].thread, NULL, submit_many, &submitters[i]);
    }
    for (int i = 0; i < SUBMITTERS; i++) {
        void *failed = bench;
        pthread_join(submitters[i].thread, &failed);
        assert_null(failed);
    }
    assert_int_equal(atomic_load(&bench->done_count), 100 * SUBMITTERS);
    batcher_destroy(bench->batcher);
    bench->batcher = NULL;
    for (int i = 0; i < SUBMITTERS; i++)
        assert_embedded(bench, i);
    stop(bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(abandoned_and_late_pairs_come_back_uncomputed),
        cmocka_unit_test(a_crowd_at_one_version_refuses_that_version_alone),
        cmocka_unit_test(closing_computes_what_is_queued),
        cmocka_unit_test(the_wait_told_is_for_what_comes_before_the_version),
        cmocka_unit_test(the_batch_under_way_is_told_by_itself),
        cmocka_unit_test(serves_many_submitters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
