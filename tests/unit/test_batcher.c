/* The worker is held still by a first pair whose done() waits at a gate: what is submitted
 * meanwhile is waiting when the gate opens, however slow the machine is. Pairs of one batch have
 * the same started_us; the stub takes a millisecond a batch, so that those of two have not. Whose
 * turn it is is test_turns.c's. */
#include "tests/unit/folder.h"

#include "model/batcher.h"
#include "server/clock.h"
#include "tests/stub_network.h"

#include <math.h>
#include <pthread.h>
#include <semaphore.h>

enum { SIDE = 8, LENGTH = 12, FACE = 3 * SIDE * SIDE, PAIRS = 8 };

struct watched {
    struct batch_item item; /* first */
    struct bench *bench;
    float faces[2 * FACE];
    float embeddings[2 * LENGTH];
    unsigned order; /* the how-manieth done() it had, from 1 */
    atomic_bool back;
};

struct bench {
    struct model_version first, second;
    struct metrics *metrics;
    struct batcher *batcher;
    struct watched gate, pairs[PAIRS];
    sem_t gate_reached, gate_open, done;
    atomic_uint done_count;
};

static void open_version(struct model_version *version, const char *name) {
    memset(version, 0, sizeof(*version));
    snprintf(version->card.name, sizeof(version->card.name), "%s", name);
    snprintf(version->card.version, sizeof(version->card.version), "1");
    version->card.input.side = SIDE;
    version->card.embedding_length = LENGTH;
    version->face_us = 1;
    assert_int_equal(network_open(&version->card, "", &version->network, NULL), STATUS_OK);
}

static void count_done(struct batch_item *item) {
    struct watched *watched = (struct watched *)item;
    struct bench *bench = watched->bench;
    watched->order = atomic_fetch_add(&bench->done_count, 1) + 1;
    sem_post(&bench->done);
    atomic_store(&watched->back, true);
}

static void wait_at_gate(struct batch_item *item) {
    struct watched *watched = (struct watched *)item;
    sem_post(&watched->bench->gate_reached);
    while (sem_wait(&watched->bench->gate_open) != 0)
        ;
}

static void ready(struct bench *bench, struct watched *watched, struct model_version *version,
                  void (*done)(struct batch_item *)) {
    memset(watched, 0, sizeof(*watched));
    for (int i = 0; i < 2 * FACE; i++)
        watched->faces[i] = (float)rand() / (float)RAND_MAX - 0.5f;
    watched->bench = bench;
    watched->item.version = version;
    watched->item.faces_count = 2;
    watched->item.faces = watched->faces;
    watched->item.embeddings = watched->embeddings;
    watched->item.done = done;
    watched->item.status = STATUS_COUNT;
}

static struct bench *start_with(struct batcher_options options) {
    setenv("FACEPAIR_STUB_BATCH_US", "1000", 1);
    struct bench *bench = calloc(1, sizeof(*bench));
    assert_non_null(bench);
    open_version(&bench->first, "first");
    open_version(&bench->second, "second");
    bench->metrics = metrics_create();
    sem_init(&bench->gate_reached, 0, 0);
    sem_init(&bench->gate_open, 0, 0);
    sem_init(&bench->done, 0, 0);
    options.metrics = bench->metrics;
    assert_int_equal(batcher_create(&options, &bench->batcher, NULL), STATUS_OK);
    for (int i = 0; i < PAIRS; i++)
        ready(bench, &bench->pairs[i], &bench->first, count_done);
    return bench;
}

static struct bench *start(size_t items_max, unsigned batch_ms_max, unsigned faces_max) {
    return start_with((struct batcher_options){
        .items_max = items_max, .batch_ms_max = batch_ms_max, .faces_max = faces_max});
}

static bool tells(void *argument) { return atomic_load((atomic_bool *)argument); }

static struct bench *start_in_company(unsigned ms_max, atomic_bool *coming) {
    return start_with((struct batcher_options){
        .items_max = 8,
        .batch_ms_max = 250,
        .faces_max = 64,
        .company = {.faces = 4, .ms_max = ms_max, .coming = tells, .argument = coming}});
}

static void stop(struct bench *bench) {
    batcher_destroy(bench->batcher);
    network_close(bench->first.network);
    network_close(bench->second.network);
    metrics_destroy(bench->metrics);
    sem_destroy(&bench->gate_reached);
    sem_destroy(&bench->gate_open);
    sem_destroy(&bench->done);
    free(bench);
}

static void submit(struct bench *bench, int i) {
    assert_true(batcher_submit(bench->batcher, &bench->pairs[i].item));
}

static void hold_worker(struct bench *bench) {
    ready(bench, &bench->gate, &bench->first, wait_at_gate);
    assert_true(batcher_submit(bench->batcher, &bench->gate.item));
    while (sem_wait(&bench->gate_reached) != 0)
        ;
    bench->first.face_us = 1; /* as if nothing had been measured yet */
}

static void wait_done(struct bench *bench, int n) {
    for (int i = 0; i < n; i++)
        while (sem_wait(&bench->done) != 0)
            ;
}

/* Opens the gate and waits until pairs 0 … n − 1 have come back. */
static void release_worker(struct bench *bench, int n) {
    sem_post(&bench->gate_open);
    wait_done(bench, n);
}

static bool one_batch(const struct bench *bench, int a, int b) {
    return bench->pairs[a].item.started_us == bench->pairs[b].item.started_us;
}

/* The embeddings are those that the network gives for these faces alone. */
static void assert_embedded(struct bench *bench, int i) {
    struct watched *watched = &bench->pairs[i];
    float expected[2 * LENGTH];
    assert_int_equal(watched->item.status, STATUS_OK);
    assert_int_equal(network_embed(watched->item.version->network, watched->faces,
                                   watched->item.faces_count, expected, NULL),
                     STATUS_OK);
    assert_memory_equal(watched->embeddings, expected,
                        watched->item.faces_count * LENGTH * sizeof(float));
}

static void assert_untouched(const struct watched *watched) {
    static const float zero[2 * LENGTH];
    assert_memory_equal(watched->embeddings, zero, sizeof(zero));
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
        cmocka_unit_test(abandoned_and_late_pairs_come_back_uncomputed),
        cmocka_unit_test(a_failing_batch_fails_alone),
        cmocka_unit_test(a_crowd_at_one_version_refuses_that_version_alone),
        cmocka_unit_test(closing_computes_what_is_queued),
        cmocka_unit_test(the_wait_told_is_for_what_comes_before_the_version),
        cmocka_unit_test(the_batch_under_way_is_told_by_itself),
        cmocka_unit_test(serves_many_submitters),
        cmocka_unit_test(a_batch_waits_for_the_company_that_comes),
        cmocka_unit_test(no_batch_waits_when_none_comes_any_more),
        cmocka_unit_test(no_item_waits_for_company_past_its_bound),
        cmocka_unit_test(closing_waits_for_no_company),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
