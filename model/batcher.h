/* Faces from all clients -> batches -> embeddings: one worker thread that owns the device.
 *
 * What is submitted is an item: faces of one version that are computed together (the two of a pair,
 * or one). The worker takes what is waiting and computes at once; it never waits for more while the
 * device is idle (a one-millisecond wait costs a lone client one millisecond). Where the device is
 * the cores that also prepare photographs, idle means that these have nothing else to do (struct
 * batcher_company). A batch holds one
 * version and is capped in time: batch_ms_max ÷ measured ms a face, at least one item. Versions
 * take turns by how long their oldest item has waited in proportion to what a batch costs
 * (turns.c). An item whose `abandoned` is set or whose deadline passed is handed back uncomputed.
 *
 * What waits is bounded for each version by itself, and so is the wait that is told: a crowd at a
 * slow network neither refuses a quick one's requests nor lengthens their wait.
 *
 * A network that fails, or whose output is not finite, costs that batch alone: its items end as
 * STATUS_INTERNAL, the cause goes to the log, and facepair_rejected_total{network_failed} counts
 * them.
 */
#ifndef FACEPAIR_MODEL_BATCHER_H
#define FACEPAIR_MODEL_BATCHER_H

#include "model/registry.h"
#include "server/metrics.h"

#include <stdatomic.h>

struct batcher;

/* Owned by the submitter; the batcher's from a successful submit until done() is called. */
struct batch_item {
    struct batch_item *next; /* the batcher's own */
    struct model_version *version;
    uint32_t faces_count; /* 1 … faces_max */
    const float *faces;   /* (faces_count, 3, side, side), the submitter's */
    float *embeddings; /* (faces_count, embedding_length), the submitter's, filled on STATUS_OK */
    uint64_t deadline_us;         /* clock_monotonic_us; 0: none */
    const atomic_bool *abandoned; /* the submitter's: the client left; NULL: never */
    enum status status; /* OK, INTERNAL, DEADLINE_EXCEEDED, or OVERLOADED for an abandoned one */
    struct error error;
    uint64_t queued_us, started_us, embedded_us; /* clock_monotonic_us */
    void (*done)(struct batch_item *item);       /* on the worker thread, exactly once */
};

/* Faces cost less in company: a batch of fewer than `faces` waits for more, as long as `coming`
 * tells that there are and that the cores are busy with them, but no item longer than ms_max.
 * `coming` is called on the worker thread. faces 0: never. */
struct batcher_company {
    unsigned faces, ms_max;
    bool (*coming)(void *argument);
    void *argument;
};

struct batcher_options {
    size_t items_max;      /* of each version that may wait */
    unsigned batch_ms_max; /* 250 */
    unsigned faces_max;    /* hard cap of a batch, 64 */
    struct batcher_company company;
    int nice;                /* of the worker, as pool_options' */
    struct metrics *metrics; /* NULL: nothing is observed */
};

enum status batcher_create(const struct batcher_options *options, struct batcher **batcher,
                           struct error *err);
/* False: too many items of its version wait, or the batcher is closing. Any thread. */
bool batcher_submit(struct batcher *batcher, struct batch_item *item);
/* Whether an item of the version would be taken now. */
bool batcher_has_room(struct batcher *batcher, const struct model_version *version);
/* How long the items would take, by what was measured, that an item of the version that came now
 * would wait for; and besides, what is left of the batch that is being computed. */
uint64_t batcher_wait_us(struct batcher *batcher, const struct model_version *version,
                         uint64_t *under_way_us);
/* Whether the network has computed one batch for longer than server/beat.h allows. Any thread. */
bool batcher_hangs(const struct batcher *batcher, uint64_t least_us);
size_t batcher_length(struct batcher *batcher); /* items that wait, of all versions */
/* Computes what is queued, hands it back, joins the worker. NULL is allowed. */
void batcher_destroy(struct batcher *batcher);

#endif
