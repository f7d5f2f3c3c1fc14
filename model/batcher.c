/* The device worker.
 *
 * Design. Pairs wait in one bounded queue. The worker detaches a batch's worth of them, oldest
 * first, into `pending`, which it alone touches. The oldest pending pair decides the version of the
 * next batch; the pending pairs of that version, oldest first, fill it up to the cap; pairs of
 * other versions stay in front for the batches after it. So versions take turns by their oldest
 * waiting pair, and nobody waits behind more than one batch of each version. `waiting` counts what
 * was submitted and not yet handed to the device, in the queue and pending alike, and is what the
 * bound holds for.
 *
 * The worker computes as soon as there is one pair. Waiting for company would cost a lone client
 * the whole wait; under load the company gathers by itself while the device is busy.
 *
 * A batch's cap in time: faces = batch_ms_max ÷ the version's measured time a face, an average that
 * forgets (each batch weighs 1/8), between one pair and faces_max. It bounds how long a new pair of
 * another version, or a drain, waits for the device.
 *
 * Memory. A batch of one pair is computed from the pair's own faces into its own embeddings. A
 * larger one is gathered into one contiguous buffer (the network takes one tensor), which grows to
 * the largest batch seen, at most faces_max faces, and is overwritten after each use: faces and
 * embeddings do not outlive their request here.
 *
 * Order of events on a pair: status and embeddings are written, then done() is called once, after
 * which the pair is the submitter's again and may be gone.
 */
#include "model/batcher.h"

#include "server/clock.h"
#include "server/log.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PAIR_FACES = 2, FORGETTING = 8 };

struct batcher {
    struct batcher_options options;
    struct queue *queue;
    pthread_t worker;
    atomic_size_t waiting;
    atomic_uint pair_us; /* the last measured time a pair, for Retry-After */

    /* The worker's own. */
    struct queue_item *pending; /* oldest first */
    size_t pending_count;
    struct batch_pair **batch; /* faces_max / 2 pairs */
    size_t batch_count;
    float *faces; /* (faces_max, 3, side, side) of the largest batch so far */
    size_t faces_size;
    float *embeddings; /* (faces_max, embedding_length) likewise */
    size_t embeddings_size;
};

static size_t pairs_max_of_a_batch(const struct batcher *batcher) {
    return batcher->options.faces_max / PAIR_FACES;
}

/* ---- handing back ---- */

static void hand_back(struct batch_pair *pair, enum status status) {
    pair->status = status;
    pair->done(pair);
}

static bool handed_back_uncomputed(struct batch_pair *pair) {
    if (atomic_load_explicit(&pair->abandoned, memory_order_relaxed)) {
        error_set(&pair->error, STATUS_OVERLOADED, "The client left before its turn came.");
        hand_back(pair, STATUS_OVERLOADED);
        return true;
    }
    if (pair->deadline_us != 0 && clock_monotonic_us() >= pair->deadline_us) {
        error_set(&pair->error, STATUS_DEADLINE_EXCEEDED,
                  "The request's deadline passed while it waited for the network.");
        hand_back(pair, STATUS_DEADLINE_EXCEEDED);
        return true;
    }
    return false;
}

/* ---- gathering ---- */

static size_t pairs_cap(const struct batcher *batcher, const struct model_version *version) {
    unsigned face_us = atomic_load_explicit(&version->face_us, memory_order_relaxed);
    size_t pairs = (size_t)batcher->options.batch_ms_max * 1000 / ((face_us ? face_us : 1) * 2ull);
    size_t most = pairs_max_of_a_batch(batcher);
    return pairs < 1 ? 1 : pairs > most ? most : pairs;
}

/* Appends to pending until it holds a batch's worth; waits only when it holds nothing. False: the
 * batcher is closing and everything is done. */
static bool refill(struct batcher *batcher) {
    size_t room = pairs_max_of_a_batch(batcher) - batcher->pending_count;
    struct queue_item *taken = NULL;
    if (batcher->pending_count == 0)
        taken = queue_take(batcher->queue, room);
    else if (room > 0)
        taken = queue_try_take(batcher->queue, room);
    struct queue_item **tail = &batcher->pending;
    while (*tail)
        tail = &(*tail)->next;
    *tail = taken;
    for (; taken; taken = taken->next)
        batcher->pending_count++;
    return batcher->pending_count > 0;
}

/* Moves the next batch from pending to batch, and hands back what need not be computed. */
static void gather(struct batcher *batcher) {
    const struct model_version *version = NULL;
    size_t cap = 0;
    batcher->batch_count = 0;
    struct queue_item **link = &batcher->pending;
    while (*link && (!version || batcher->batch_count < cap)) {
        struct batch_pair *pair = (struct batch_pair *)*link;
        if (version && pair->version != version) {
            link = &(*link)->next;
            continue;
        }
        *link = pair->item.next;
        batcher->pending_count--;
        atomic_fetch_sub_explicit(&batcher->waiting, 1, memory_order_relaxed);
        if (handed_back_uncomputed(pair))
            continue;
        if (!version) {
            version = pair->version;
            cap = pairs_cap(batcher, version);
        }
        batcher->batch[batcher->batch_count++] = pair;
    }
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
    if (status == STATUS_OK && !all_finite(embeddings, (size_t)n * version->card.embedding_length))
        status = error_set(err, STATUS_INTERNAL, "the network's output is not finite");
    return status;
}

static enum status embed_gathered(struct batcher *batcher, struct model_version *version,
                                  struct error *err) {
    size_t pair_values =
        (size_t)PAIR_FACES * 3 * version->card.input.side * version->card.input.side;
    size_t pair_embeddings = (size_t)PAIR_FACES * version->card.embedding_length;
    size_t count = batcher->batch_count;
    if (!grow(&batcher->faces, &batcher->faces_size, count * pair_values) ||
        !grow(&batcher->embeddings, &batcher->embeddings_size, count * pair_embeddings))
        return error_set(err, STATUS_INTERNAL, "out of memory");
    for (size_t i = 0; i < count; i++)
        memcpy(batcher->faces + i * pair_values, batcher->batch[i]->faces,
               pair_values * sizeof(float));
    enum status status =
        embed(version, batcher->faces, (uint32_t)(count * PAIR_FACES), batcher->embeddings, err);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        memcpy(batcher->batch[i]->embeddings, batcher->embeddings + i * pair_embeddings,
               pair_embeddings * sizeof(float));
    explicit_bzero(batcher->faces, count * pair_values * sizeof(float));
    explicit_bzero(batcher->embeddings, count * pair_embeddings * sizeof(float));
    return status;
}

static void learn_cost(struct batcher *batcher, struct model_version *version, uint64_t us) {
    uint64_t measured = us / (batcher->batch_count * PAIR_FACES);
    uint64_t before = atomic_load_explicit(&version->face_us, memory_order_relaxed);
    uint64_t face_us = (before * (FORGETTING - 1) + measured) / FORGETTING;
    if (face_us < 1)
        face_us = 1;
    atomic_store_explicit(&version->face_us, (unsigned)face_us, memory_order_relaxed);
    atomic_store_explicit(&batcher->pair_us, (unsigned)(face_us * PAIR_FACES),
                          memory_order_relaxed);
}

static void observe(struct batcher *batcher, const struct model_version *version, uint64_t us,
                    enum status status, const struct error *err) {
    struct metrics *metrics = batcher->options.metrics;
    if (status != STATUS_OK)
        log_event(LOG_ERROR, "batch_failed", LOG_STR("model", version->card.name),
                  LOG_STR("version", version->card.version),
                  LOG_INT("faces", batcher->batch_count * PAIR_FACES),
                  LOG_STR("cause", err->detail));
    if (!metrics)
        return;
    metrics_add(metrics, METRIC_WORKER_BUSY, (double)us / 1e6, "device");
    metrics_observe(metrics, METRIC_BATCH_SIZE, (double)(batcher->batch_count * PAIR_FACES),
                    version->card.name);
    if (status != STATUS_OK)
        metrics_add(metrics, METRIC_REJECTED, (double)batcher->batch_count, "network_failed");
}

static void compute(struct batcher *batcher) {
    struct model_version *version = batcher->batch[0]->version;
    uint64_t started = clock_monotonic_us();
    for (size_t i = 0; i < batcher->batch_count; i++)
        batcher->batch[i]->started_us = started;
    struct error error;
    enum status status = batcher->batch_count == 1
                             ? embed(version, batcher->batch[0]->faces, PAIR_FACES,
                                     batcher->batch[0]->embeddings, &error)
                             : embed_gathered(batcher, version, &error);
    uint64_t ended = clock_monotonic_us();
    if (status == STATUS_OK)
        learn_cost(batcher, version, ended - started);
    observe(batcher, version, ended - started, status, &error);
    for (size_t i = 0; i < batcher->batch_count; i++) {
        struct batch_pair *pair = batcher->batch[i];
        pair->embedded_us = ended;
        if (status != STATUS_OK)
            error_set(&pair->error, status, "The network could not be evaluated.");
        hand_back(pair, status);
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
    while (refill(batcher)) {
        gather(batcher);
        if (batcher->batch_count > 0)
            compute(batcher);
    }
    return NULL;
}

/* ---- the submitters' side ---- */

/* With every signal blocked, here and in the tensor library's threads: signals are the loop's. */
static bool start_worker(struct batcher *batcher) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&batcher->worker, NULL, work, batcher) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        pthread_setname_np(batcher->worker, "device");
    return started;
}

enum status batcher_create(const struct batcher_options *options, struct batcher **batcher,
                           struct error *err) {
    assert(options->pairs_max >= 1 && options->faces_max >= PAIR_FACES);
    struct batcher *created = calloc(1, sizeof(*created));
    if (!created)
        goto fail;
    created->options = *options;
    created->queue = queue_create(options->pairs_max);
    created->batch = calloc(options->faces_max / PAIR_FACES, sizeof(struct batch_pair *));
    if (!created->queue || !created->batch)
        goto fail;
    if (!start_worker(created))
        goto fail;
    *batcher = created;
    return STATUS_OK;
fail:
    if (created) {
        queue_destroy(created->queue);
        free(created->batch);
        free(created);
    }
    return error_set(err, STATUS_INTERNAL, "the device worker cannot be started");
}

bool batcher_submit(struct batcher *batcher, struct batch_pair *pair) {
    /* Counted before the push: the worker may have taken the pair before the push returns. */
    size_t before = atomic_fetch_add_explicit(&batcher->waiting, 1, memory_order_relaxed);
    pair->queued_us = clock_monotonic_us();
    if (before < batcher->options.pairs_max && queue_push(batcher->queue, &pair->item))
        return true;
    atomic_fetch_sub_explicit(&batcher->waiting, 1, memory_order_relaxed);
    return false;
}

unsigned batcher_retry_after_s(struct batcher *batcher) {
    uint64_t waiting = atomic_load_explicit(&batcher->waiting, memory_order_relaxed);
    uint64_t us = waiting * atomic_load_explicit(&batcher->pair_us, memory_order_relaxed);
    uint64_t seconds = (us + 999999) / 1000000;
    return seconds < 1 ? 1 : seconds > 3600 ? 3600 : (unsigned)seconds;
}

struct queue *batcher_queue(struct batcher *batcher) {
    return batcher->queue;
}

void batcher_destroy(struct batcher *batcher) {
    if (!batcher)
        return;
    queue_close(batcher->queue);
    pthread_join(batcher->worker, NULL);
    queue_destroy(batcher->queue);
    if (batcher->faces)
        explicit_bzero(batcher->faces, batcher->faces_size * sizeof(float));
    free(batcher->faces);
    free(batcher->embeddings);
    free(batcher->batch);
    free(batcher);
}
