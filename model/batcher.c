/* The device worker.
 *
 * Design. Items wait in lanes, one a version (turns.c), under one lock that is held for some
 * hundred nanoseconds: by a submitter that appends, by the worker that cuts the next batch off. So
 * whose turn it is is decided over all that waits, at the moment when the device is free.
 *
 * The worker computes as soon as there is one item. Waiting for company would cost a lone client
 * the whole wait; under load the company gathers by itself while the device is busy. That holds for
 * a device of its own. On a CPU the worker would take each pair as it comes from the preparation,
 * since its cores are the same ones: with 16 clients a batch had 2.6 faces of the 16 at which a
 * face costs a quarter less. So there the worker leaves the cores to the preparation until enough
 * has gathered, or until the preparation has no more in its queue; it looks again at each item that
 * comes and each millisecond.
 *
 * A batch's cap in time: faces = batch_ms_max ÷ the version's measured time a face, an average that
 * forgets (each batch weighs 1/8), at least one item and at most faces_max faces. It bounds how
 * long a new item of another version, or a drain, waits for the device.
 *
 * Memory. A batch of one item is computed from the item's own faces into its own embeddings. A
 * larger one is gathered into one contiguous buffer (the network takes one tensor), which grows to
 * the largest batch seen, at most faces_max faces, and is overwritten after each use: faces and
 * embeddings do not outlive their request here.
 *
 * Order of events on an item: status and embeddings are written, then done() is called once,
 * without the lock, after which the item is the submitter's again and may be gone.
 */
#include "model/batcher.h"

#include "model/turns.h"
#include "server/beat.h"
#include "server/clock.h"
#include "server/log.h"
#include "server/thread.h"
#include "server/wipe.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { FORGETTING = 8, LOOK_AGAIN_NS = 1000000 };
enum { NS_PER_S = 1000000000 };

struct batcher {
    struct batcher_options options;
    pthread_t worker;

    pthread_mutex_t lock;
    pthread_cond_t filled; /* an item was added, or closing was set */
    struct turns turns;
    uint64_t busy_until_us; /* when the batch under way should end; 0: none is */
    bool closing;

    struct beat beat; /* of the network's calls */

    /* The worker's own. */
    struct batch_item **batch; /* faces_max items */
    size_t batch_count;
    uint32_t batch_faces;
    float *faces; /* (faces_max, 3, side, side) of the largest batch so far */
    size_t faces_size;
    float *embeddings; /* (faces_max, embedding_length) likewise */
    size_t embeddings_size;
};

/* ---- handing back ---- */

static void hand_back(struct batch_item *item, enum status status) {
    item->status = status;
    item->done(item);
}

static void hand_back_dropped(struct batch_item *dropped) {
    while (dropped) {
        struct batch_item *item = dropped;
        dropped = item->next;
        bool abandoned =
            item->abandoned && atomic_load_explicit(item->abandoned, memory_order_relaxed);
        enum status status = abandoned ? STATUS_OVERLOADED : STATUS_DEADLINE_EXCEEDED;
        error_set(&item->error, status,
                  abandoned ? "The client left before its turn came."
                            : "The request's deadline passed while it waited for the network.");
        hand_back(item, status);
    }
}

/* ---- gathering ---- */

static uint64_t expected_us(const struct batcher *batcher) {
    const struct model_version *version = batcher->batch[0]->version;
    return (uint64_t)batcher->batch_faces *
           atomic_load_explicit(&version->face_us, memory_order_relaxed);
}

static bool company_comes(const struct batcher *batcher) {
    const struct batcher_company *company = &batcher->options.company;
    return turns_faces(&batcher->turns) < company->faces && !batcher->closing &&
           clock_monotonic_us() < turns_oldest_us(&batcher->turns) + company->ms_max * 1000ull &&
           company->coming(company->argument);
}

/* With the lock held, which is given up meanwhile. */
static void wait_for_company(struct batcher *batcher) {
    while (company_comes(batcher)) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_AGAIN_NS;
        if (until.tv_nsec >= NS_PER_S) {
            until.tv_nsec -= NS_PER_S;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&batcher->filled, &batcher->lock, &until);
    }
}

/* Waits until something does, and takes the next batch (which is empty when all of it was dropped).
 * False: the batcher is closing and everything is done. */
static bool gather(struct batcher *batcher) {
    struct batch_item *dropped;
    pthread_mutex_lock(&batcher->lock);
    while (batcher->turns.items == 0 && !batcher->closing)
        pthread_cond_wait(&batcher->filled, &batcher->lock);
    if (batcher->turns.items > 0)
        wait_for_company(batcher);
    bool going = batcher->turns.items > 0;
    uint64_t now_us = clock_monotonic_us();
    batcher->batch_count = turns_take(&batcher->turns, now_us, batcher->batch, &dropped);
    batcher->batch_faces = 0;
    for (size_t i = 0; i < batcher->batch_count; i++)
        batcher->batch_faces += batcher->batch[i]->faces_count;
    if (batcher->batch_count > 0)
        batcher->busy_until_us = now_us + expected_us(batcher);
    pthread_mutex_unlock(&batcher->lock);
    hand_back_dropped(dropped);
    return going;
}

static void note_idle(struct batcher *batcher) {
    pthread_mutex_lock(&batcher->lock);
    batcher->busy_until_us = 0;
    pthread_mutex_unlock(&batcher->lock);
}

/* ---- computing ---- */

static bool grow(float **buffer, size_t *size, size_t needed) {
    if (needed <= *size)
        return true;
    float *grown = malloc(needed * sizeof(**buffer));
    if (!grown)
        return false;
    free(*buffer);
    *buffer = grown;
    *size = needed;
    return true;
}

static bool all_finite(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

/* faces: (n, 3, side, side) -> embeddings: (n, length), checked. */
static enum status embed(struct model_version *version, const float *faces, uint32_t n,
                         float *embeddings, struct error *err) {
    enum status status = network_embed(version->network, faces, n, embeddings, err);
    wipe_stack();
    if (status == STATUS_OK && !all_finite(embeddings, (size_t)n * version->card.embedding_length))
        status = error_set(err, STATUS_INTERNAL, "the network's output is not finite");
    return status;
}

static enum status embed_gathered(struct batcher *batcher, struct model_version *version,
                                  struct error *err) {
    size_t face_values = (size_t)3 * version->card.input.side * version->card.input.side;
    size_t length = version->card.embedding_length;
    size_t values = batcher->batch_faces * face_values, out = batcher->batch_faces * length;
    if (!grow(&batcher->faces, &batcher->faces_size, values) ||
        !grow(&batcher->embeddings, &batcher->embeddings_size, out))
        return error_set(err, STATUS_INTERNAL, "out of memory");
    size_t at = 0;
    for (size_t i = 0; i < batcher->batch_count; i++) {
        const struct batch_item *item = batcher->batch[i];
        memcpy(batcher->faces + at * face_values, item->faces,
               item->faces_count * face_values * sizeof(float));
        at += item->faces_count;
    }
    enum status status =
        embed(version, batcher->faces, batcher->batch_faces, batcher->embeddings, err);
    at = 0;
    for (size_t i = 0; i < batcher->batch_count && status == STATUS_OK; i++) {
        struct batch_item *item = batcher->batch[i];
        memcpy(item->embeddings, batcher->embeddings + at * length,
               item->faces_count * length * sizeof(float));
        at += item->faces_count;
    }
    explicit_bzero(batcher->faces, values * sizeof(float));
    explicit_bzero(batcher->embeddings, out * sizeof(float));
    return status;
}

static void learn_cost(struct batcher *batcher, struct model_version *version, uint64_t us) {
    uint64_t measured = us / batcher->batch_faces;
    uint64_t before = atomic_load_explicit(&version->face_us, memory_order_relaxed);
    uint64_t face_us = (before * (FORGETTING - 1) + measured) / FORGETTING;
    atomic_store_explicit(&version->face_us, face_us < 1 ? 1 : (unsigned)face_us,
                          memory_order_relaxed);
}

static void observe(struct batcher *batcher, const struct model_version *version, uint64_t us,
                    enum status status, const struct error *err) {
    struct metrics *metrics = batcher->options.metrics;
    if (status != STATUS_OK)
        log_event(LOG_ERROR, "batch_failed", LOG_STR("model", version->card.name),
                  LOG_STR("version", version->card.version), LOG_INT("faces", batcher->batch_faces),
                  LOG_STR("cause", err->detail));
    if (!metrics)
        return;
    metrics_add(metrics, METRIC_WORKER_BUSY, (double)us / 1e6, "device");
    metrics_observe(metrics, METRIC_BATCH_SIZE, (double)batcher->batch_faces, version->card.name);
    if (status != STATUS_OK)
        metrics_add(metrics, METRIC_REJECTED, (double)batcher->batch_count, "network_failed");
}

static void compute(struct batcher *batcher) {
    struct batch_item *first = batcher->batch[0];
    struct model_version *version = first->version;
    uint64_t started = clock_monotonic_us();
    for (size_t i = 0; i < batcher->batch_count; i++)
        batcher->batch[i]->started_us = started;
    struct error error;
    beat_begin(&batcher->beat, started);
    enum status status =
        batcher->batch_count == 1
            ? embed(version, first->faces, first->faces_count, first->embeddings, &error)
            : embed_gathered(batcher, version, &error);
    uint64_t ended = clock_monotonic_us();
    beat_end(&batcher->beat, ended);
    if (status == STATUS_OK)
        learn_cost(batcher, version, ended - started);
    observe(batcher, version, ended - started, status, &error);
    note_idle(batcher);
    for (size_t i = 0; i < batcher->batch_count; i++) {
        struct batch_item *item = batcher->batch[i];
        item->embedded_us = ended;
        if (status != STATUS_OK)
            error_set(&item->error, status, "The network could not be evaluated.");
        hand_back(item, status);
    }
}

static void *work(void *argument) {
    struct batcher *batcher = argument;
    /* Linux keeps a nice value per thread; the tensor library's threads inherit this one's. Being
     * refused costs nothing but the preference. */
    id_t thread = (id_t)gettid();
    if (batcher->options.nice != 0)
        setpriority(PRIO_PROCESS, thread,
                    getpriority(PRIO_PROCESS, thread) + batcher->options.nice);
    while (gather(batcher))
        if (batcher->batch_count > 0)
            compute(batcher);
    return NULL;
}

/* ---- the submitters' side ---- */

/* The tensor library's threads inherit that it takes no signal. */
static bool start_worker(struct batcher *batcher) {
    return thread_start(&batcher->worker, "device", work, batcher) == 0;
}

static void release(struct batcher *batcher) {
    if (batcher->faces)
        explicit_bzero(batcher->faces, batcher->faces_size * sizeof(float));
    pthread_cond_destroy(&batcher->filled);
    pthread_mutex_destroy(&batcher->lock);
    free(batcher->faces);
    free(batcher->embeddings);
    free(batcher->batch);
    free(batcher);
}

enum status batcher_create(const struct batcher_options *options, struct batcher **batcher,
                           struct error *err) {
    assert(options->items_max >= 1 && options->faces_max >= 1);
    assert(options->company.faces == 0 || options->company.coming);
    struct batcher *created = calloc(1, sizeof(*created));
    if (!created)
        return error_set(err, STATUS_INTERNAL, "out of memory for the device worker");
    created->options = *options;
    created->turns.limits =
        (struct turns_limits){.items_max = options->items_max,
                              .faces_max = options->faces_max,
                              .batch_us_max = (uint64_t)options->batch_ms_max * 1000};
    pthread_mutex_init(&created->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&created->filled, &monotonic);
    pthread_condattr_destroy(&monotonic);
    created->batch = calloc(options->faces_max, sizeof(struct batch_item *));
    if (!created->batch || !start_worker(created)) {
        release(created);
        return error_set(err, STATUS_INTERNAL, "the device worker cannot be started");
    }
    *batcher = created;
    return STATUS_OK;
}

bool batcher_submit(struct batcher *batcher, struct batch_item *item) {
    assert(item->faces_count >= 1 && item->faces_count <= batcher->options.faces_max);
    item->queued_us = clock_monotonic_us();
    pthread_mutex_lock(&batcher->lock);
    bool accepted = !batcher->closing && turns_add(&batcher->turns, item);
    pthread_mutex_unlock(&batcher->lock);
    if (accepted)
        pthread_cond_signal(&batcher->filled);
    return accepted;
}

bool batcher_has_room(struct batcher *batcher, const struct model_version *version) {
    pthread_mutex_lock(&batcher->lock);
    bool has_room = turns_has_room(&batcher->turns, version);
    pthread_mutex_unlock(&batcher->lock);
    return has_room;
}

uint64_t batcher_wait_us(struct batcher *batcher, const struct model_version *version,
                         uint64_t *under_way_us) {
    uint64_t now_us = clock_monotonic_us();
    pthread_mutex_lock(&batcher->lock);
    uint64_t wait_us = turns_wait_us(&batcher->turns, version);
    *under_way_us = batcher->busy_until_us > now_us ? batcher->busy_until_us - now_us : 0;
    pthread_mutex_unlock(&batcher->lock);
    return wait_us;
}

size_t batcher_length(struct batcher *batcher) {
    pthread_mutex_lock(&batcher->lock);
    size_t length = batcher->turns.items;
    pthread_mutex_unlock(&batcher->lock);
    return length;
}

void batcher_destroy(struct batcher *batcher) {
    if (!batcher)
        return;
    pthread_mutex_lock(&batcher->lock);
    batcher->closing = true;
    pthread_mutex_unlock(&batcher->lock);
    pthread_cond_broadcast(&batcher->filled);
    pthread_join(batcher->worker, NULL);
    release(batcher);
}

bool batcher_hangs(const struct batcher *batcher, uint64_t least_us) {
    return beat_hangs(&batcher->beat, clock_monotonic_us(), least_us);
}
