/* What waits for the device, by version, and whose turn it is: the rules of model/batcher.c without
 * its thread and its clock. Not thread-safe; the batcher calls it under its lock.
 *
 * Each version that has something waiting has a lane, first in, first out. turns_take() chooses the
 * lane with the highest response ratio (turns.c says how and why) and cuts the next batch off it.
 */
#ifndef FACEPAIR_MODEL_TURNS_H
#define FACEPAIR_MODEL_TURNS_H

#include "model/batcher.h"

enum { TURNS_VERSIONS_MAX = 128 }; /* with something waiting at one time */

struct turns_limits {
    size_t items_max;      /* that wait in one lane */
    unsigned faces_max;    /* of a batch */
    uint64_t batch_us_max; /* of a batch of several items, by the version's measured time a face */
};

struct turns_lane {
    struct model_version *version;
    struct batch_item *first, *last;
    size_t items, faces;
};

struct turns {
    struct turns_limits limits;
    size_t items; /* of all lanes */
    size_t lanes_count;
    struct turns_lane lanes[TURNS_VERSIONS_MAX]; /* in no order; none is empty */
};

/* The item's version, faces_count and queued_us are set. False: its lane is full, or too many
 * versions have something waiting. */
bool turns_add(struct turns *turns, struct batch_item *item);
/* Whether turns_add would take one more item of the version. */
bool turns_has_room(const struct turns *turns, const struct model_version *version);

/* The next batch: items of one version, oldest first, into `batch` (room for limits.faces_max);
 * returns how many, 0 when nothing waits that is worth computing. Whatever it met that was
 * abandoned or is past its deadline goes to the list *dropped, by `next`. */
size_t turns_take(struct turns *turns, uint64_t now_us, struct batch_item **batch,
                  struct batch_item **dropped);

/* Faces that wait, of all lanes, and since when the first of them does (something does). */
size_t turns_faces(const struct turns *turns);
uint64_t turns_oldest_us(const struct turns *turns);

/* How long an item of the version that came now would wait for its batch to begin. */
uint64_t turns_wait_us(const struct turns *turns, const struct model_version *version);

#endif
