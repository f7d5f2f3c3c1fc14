/* A batcher, two versions on the stub network, and items that are watched.
 *
 * The worker is held still by a first pair whose done() waits at a gate: what is submitted
 * meanwhile is waiting when the gate opens, however slow the machine is. Pairs of one batch have
 * the same started_us; the stub takes a millisecond a batch, so that those of two have not. Whose
 * turn it is is test_turns.c's. */
#ifndef FACEPAIR_TESTS_BATCHER_BENCH_H
#define FACEPAIR_TESTS_BATCHER_BENCH_H

#include "tests/unit/folder.h"

#include "model/batcher.h"
#include "server/clock.h"
#include "tests/stub_network.h"

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

static inline void open_version(struct model_version *version, const char *name) {
    memset(version, 0, sizeof(*version));
    snprintf(version->card.name, sizeof(version->card.name), "%s", name);
    snprintf(version->card.version, sizeof(version->card.version), "1");
    version->card.input.side = SIDE;
    version->card.embedding_length = LENGTH;
    version->face_us = 1;
    assert_int_equal(network_open(&version->card, "", &version->network, NULL), STATUS_OK);
}

static inline void count_done(struct batch_item *item) {
    struct watched *watched = (struct watched *)item;
    struct bench *bench = watched->bench;
    watched->order = atomic_fetch_add(&bench->done_count, 1) + 1;
    sem_post(&bench->done);
    atomic_store(&watched->back, true);
}

static inline void wait_at_gate(struct batch_item *item) {
    struct watched *watched = (struct watched *)item;
    sem_post(&watched->bench->gate_reached);
    while (sem_wait(&watched->bench->gate_open) != 0)
        ;
}

static inline void ready(struct bench *bench, struct watched *watched,
                         struct model_version *version, void (*done)(struct batch_item *)) {
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

static inline struct bench *start_with(struct batcher_options options) {
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

static inline struct bench *start(size_t items_max, unsigned batch_ms_max, unsigned faces_max) {
    return start_with((struct batcher_options){
        .items_max = items_max, .batch_ms_max = batch_ms_max, .faces_max = faces_max});
}

static inline void stop(struct bench *bench) {
    batcher_destroy(bench->batcher);
    network_close(bench->first.network);
    network_close(bench->second.network);
    metrics_destroy(bench->metrics);
    sem_destroy(&bench->gate_reached);
    sem_destroy(&bench->gate_open);
    sem_destroy(&bench->done);
    free(bench);
}

static inline void submit(struct bench *bench, int i) {
    assert_true(batcher_submit(bench->batcher, &bench->pairs[i].item));
}

static inline void hold_worker(struct bench *bench) {
    ready(bench, &bench->gate, &bench->first, wait_at_gate);
    assert_true(batcher_submit(bench->batcher, &bench->gate.item));
    while (sem_wait(&bench->gate_reached) != 0)
        ;
    bench->first.face_us = 1; /* as if nothing had been measured yet */
}

static inline void wait_done(struct bench *bench, int n) {
    for (int i = 0; i < n; i++)
        while (sem_wait(&bench->done) != 0)
            ;
}

/* Opens the gate and waits until pairs 0 … n − 1 have come back. */
static inline void release_worker(struct bench *bench, int n) {
    sem_post(&bench->gate_open);
    wait_done(bench, n);
}

/* The embeddings are those that the network gives for these faces alone. */
static inline void assert_embedded(struct bench *bench, int i) {
    struct watched *watched = &bench->pairs[i];
    float expected[2 * LENGTH];
    assert_int_equal(watched->item.status, STATUS_OK);
    assert_int_equal(network_embed(watched->item.version->network, watched->faces,
                                   watched->item.faces_count, expected, NULL),
                     STATUS_OK);
    assert_memory_equal(watched->embeddings, expected,
                        watched->item.faces_count * LENGTH * sizeof(float));
}

#endif
