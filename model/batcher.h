/* Pairs from all clients -> batches -> embeddings: one worker thread that owns the device.
 *
 * The worker takes what is waiting and computes at once; it never waits for more while the device
 * is idle (a one-millisecond wait costs a lone client one millisecond). A batch holds one version,
 * both faces of a pair are in it, and it is capped in time: faces_max = batch_ms_max ÷ measured ms
 * a face, at least one pair. Versions take turns by the oldest waiting pair. A pair whose
 * `abandoned` is set or whose deadline passed is handed back uncomputed. The queue is bounded;
 * submit refuses when it is full.
 *
 * A network that fails, or whose output is not finite, costs that batch alone: its pairs end as
 * STATUS_INTERNAL, the cause goes to the log, and facepair_rejected_total{network_failed} counts
 * them.
 */
#ifndef FACEPAIR_MODEL_BATCHER_H
#define FACEPAIR_MODEL_BATCHER_H

#include "model/registry.h"
#include "server/metrics.h"
#include "server/queue.h"

#include <stdatomic.h>

struct batcher;

/* Owned by the submitter; the batcher's from a successful submit until done() is called. */
struct batch_pair {
    struct queue_item item; /* first: the batcher's own */
    struct model_version *version;
    const float *faces;    /* (2, 3, side, side), the submitter's */
    float *embeddings;     /* (2, embedding_length), the submitter's, filled on STATUS_OK */
    uint64_t deadline_us;  /* clock_monotonic_us; 0: none */
    atomic_bool abandoned; /* the client left: do not compute */
    enum status status;    /* OK, INTERNAL, DEADLINE_EXCEEDED, or OVERLOADED for an abandoned one */
    struct error error;
    uint64_t queued_us, started_us, embedded_us; /* clock_monotonic_us */
    void (*done)(struct batch_pair *pair);       /* on the worker thread, exactly once */
};

struct batcher_options {
    size_t pairs_max;        /* the queue's bound */
    unsigned batch_ms_max;   /* 250 */
    unsigned faces_max;      /* hard cap of a batch, 64; at least 2 */
    int nice;                /* of the worker, as pool_options' */
    struct metrics *metrics; /* NULL: nothing is observed */
};

enum status batcher_create(const struct batcher_options *options, struct batcher **batcher,
                           struct error *err);
bool batcher_submit(struct batcher *batcher, struct batch_pair *pair); /* false: full or closing */
/* Queue length × measured time a pair, in whole seconds, at least 1: for Retry-After. */
unsigned batcher_retry_after_s(struct batcher *batcher);
struct queue *batcher_queue(struct batcher *batcher);
/* Computes what is queued, hands it back, joins the worker. NULL is allowed. */
void batcher_destroy(struct batcher *batcher);

#endif
