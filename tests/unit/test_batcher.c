/* What a batch holds, and what it gives back. */
#include "batcher_bench.h"

#include <math.h>

static bool one_batch(const struct bench *bench, int a, int b) {
    return bench->pairs[a].item.started_us == bench->pairs[b].item.started_us;
}

static bool metric_line(struct bench *bench, const char *line) {
    size_t size;
    char *text = metrics_text(bench->metrics, &size);
    bool found = strstr(text, line) != NULL;
    free(text);
    return found;
}

static void embeds_a_lone_pair(void **state) {
    (void)state;
    struct bench *bench = start(8, 250, 64);
    submit(bench, 0);
    wait_done(bench, 1);
    assert_embedded(bench, 0);
    const struct batch_item *item = &bench->pairs[0].item;
    assert_true(item->queued_us > 0 && item->started_us >= item->queued_us &&
                item->embedded_us > item->started_us);
    stop(bench);
}

static void takes_all_that_wait_into_one_batch(void **state) {
    (void)state;
    struct bench *bench = start(8, 250, 64);
    hold_worker(bench);
    for (int i = 0; i < 5; i++)
        submit(bench, i);
    release_worker(bench, 5);
    for (int i = 0; i < 5; i++) {
        assert_embedded(bench, i);
        assert_true(one_batch(bench, 0, i));
        assert_int_equal(bench->pairs[i].order, i + 1);
    }
    assert_true(metric_line(bench, "facepair_batch_size_count{model=\"first\"} 2\n"));
    assert_true(metric_line(bench, "facepair_batch_size_sum{model=\"first\"} 12\n"));
    stop(bench);
}

static void a_batch_holds_one_version(void **state) {
    (void)state;
    struct bench *bench = start(8, 250, 64);
    hold_worker(bench);
    bench->pairs[0].item.version = &bench->second;
    bench->pairs[2].item.version = &bench->second;
    for (int i = 0; i < 5; i++)
        submit(bench, i);
    release_worker(bench, 5);
    for (int i = 0; i < 5; i++)
        assert_embedded(bench, i);
    assert_true(one_batch(bench, 0, 2));
    assert_true(one_batch(bench, 1, 3) && one_batch(bench, 1, 4));
    assert_false(one_batch(bench, 0, 1));
    stop(bench);
}

static void single_faces_and_pairs_share_a_batch(void **state) {
    (void)state;
    struct bench *bench = start(8, 250, 64);
    hold_worker(bench);
    for (int i = 0; i < 5; i++) {
        bench->pairs[i].item.faces_count = i % 2 ? 2 : 1;
        submit(bench, i);
    }
    release_worker(bench, 5);
    for (int i = 0; i < 5; i++) {
        assert_embedded(bench, i);
        assert_true(one_batch(bench, 0, i));
    }
    assert_true(metric_line(bench, "facepair_batch_size_sum{model=\"first\"} 9\n"));
    stop(bench);
}

/* The slow network takes 20 ms a face, the quick one next to nothing. */
static void one_slow_batch_at_most_goes_before_a_quick_pair(void **state) {
    (void)state;
    struct bench *bench = start(8, 10, 64); /* a pair of the slow one is a batch */
    setenv("FACEPAIR_STUB_FACE_US", "20000", 1);
    network_close(bench->second.network);
    assert_int_equal(network_open(&bench->second.card, "", &bench->second.network, NULL),
                     STATUS_OK);
    unsetenv("FACEPAIR_STUB_FACE_US");
    hold_worker(bench);
    bench->second.face_us = 20000;
    for (int i = 0; i < 6; i++) {
        bench->pairs[i].item.version = &bench->second;
        submit(bench, i);
    }
    submit(bench, 6);
    usleep(2000); /* the pair waits for longer than it takes, the slow ones have not */
    release_worker(bench, 7);
    assert_int_equal(bench->pairs[6].order, 1);
    stop(bench);
}

static void a_batch_is_capped_in_faces(void **state) {
    (void)state;
    struct bench *bench = start(8, 250, 5); /* an odd cap leaves room for two pairs */
    hold_worker(bench);
    for (int i = 0; i < 3; i++)
        submit(bench, i);
    release_worker(bench, 3);
    assert_true(one_batch(bench, 0, 1));
    assert_false(one_batch(bench, 1, 2));
    stop(bench);
}

static void a_batch_is_capped_in_time_but_holds_a_pair(void **state) {
    (void)state;
    struct bench *bench = start(8, 250, 64);
    hold_worker(bench);
    bench->first.face_us = 60000; /* 4 faces in 250 ms */
    for (int i = 0; i < 3; i++)
        submit(bench, i);
    release_worker(bench, 3);
    assert_true(one_batch(bench, 0, 1));
    assert_false(one_batch(bench, 1, 2));
    hold_worker(bench);
    bench->first.face_us = 900000;
    for (int i = 3; i < 5; i++)
        submit(bench, i);
    release_worker(bench, 2);
    assert_embedded(bench, 3);
    assert_embedded(bench, 4);
    assert_false(one_batch(bench, 3, 4));
    stop(bench);
}

static void a_failing_batch_fails_alone(void **state) {
    (void)state;
    static const float causes[] = {STUB_FACE_FAILS, NAN, INFINITY};
    for (size_t c = 0; c < 3; c++) {
        struct bench *bench = start(8, 250, 4);
        hold_worker(bench);
        bench->pairs[1].faces[FACE] = causes[c];
        for (int i = 0; i < 3; i++)
            submit(bench, i);
        release_worker(bench, 3);
        assert_int_equal(bench->pairs[0].item.status, STATUS_INTERNAL);
        assert_int_equal(bench->pairs[1].item.status, STATUS_INTERNAL);
        assert_true(bench->pairs[0].item.error.detail[0] != '\0');
        assert_embedded(bench, 2);
        assert_true(metric_line(bench, "facepair_rejected_total{reason=\"network_failed\"} 2\n"));
        stop(bench);
    }
}

static bool tells(void *argument) { return atomic_load((atomic_bool *)argument); }

static struct bench *start_in_company(unsigned ms_max, atomic_bool *coming) {
    return start_with((struct batcher_options){
        .items_max = 8,
        .batch_ms_max = 250,
        .faces_max = 64,
        .company = {.faces = 4, .ms_max = ms_max, .coming = tells, .argument = coming}});
}

static void a_batch_waits_for_the_company_that_comes(void **state) {
    (void)state;
    atomic_bool coming = true;
    struct bench *bench = start_in_company(60000, &coming);
    submit(bench, 0);
    usleep(5000);
    assert_false(atomic_load(&bench->pairs[0].back));
    submit(bench, 1);
    wait_done(bench, 2);
    assert_true(one_batch(bench, 0, 1));
    stop(bench);
}

static void no_batch_waits_when_none_comes_any_more(void **state) {
    (void)state;
    atomic_bool coming = true;
    struct bench *bench = start_in_company(60000, &coming);
    submit(bench, 0);
    atomic_store(&coming, false);
    wait_done(bench, 1); /* forever, if it waited for its company */
    stop(bench);
}

static void no_item_waits_for_company_past_its_bound(void **state) {
    (void)state;
    atomic_bool coming = true;
    struct bench *bench = start_in_company(20, &coming);
    submit(bench, 0);
    wait_done(bench, 1);
    const struct batch_item *item = &bench->pairs[0].item;
    assert_true(item->started_us - item->queued_us >= 20000);
    stop(bench);
}

static void closing_waits_for_no_company(void **state) {
    (void)state;
    atomic_bool coming = true;
    struct bench *bench = start_in_company(60000, &coming);
    submit(bench, 0);
    stop(bench); /* after a minute, if it did */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embeds_a_lone_pair),
        cmocka_unit_test(takes_all_that_wait_into_one_batch),
        cmocka_unit_test(a_batch_holds_one_version),
        cmocka_unit_test(single_faces_and_pairs_share_a_batch),
        cmocka_unit_test(one_slow_batch_at_most_goes_before_a_quick_pair),
        cmocka_unit_test(a_batch_is_capped_in_faces),
        cmocka_unit_test(a_batch_is_capped_in_time_but_holds_a_pair),
        cmocka_unit_test(a_failing_batch_fails_alone),
        cmocka_unit_test(a_batch_waits_for_the_company_that_comes),
        cmocka_unit_test(no_batch_waits_when_none_comes_any_more),
        cmocka_unit_test(no_item_waits_for_company_past_its_bound),
        cmocka_unit_test(closing_waits_for_no_company),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
