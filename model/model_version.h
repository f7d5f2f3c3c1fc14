/* One version of a model, loaded: its card, its network, what it costs.
 *
 * Loading has two steps, so that a version can be refused before it takes memory: read (the card,
 * small) and load (hash, network, warm-up). Both work on values of their own and may run on any
 * thread; on a version that is in use by others only the fields say who may touch them.
 */
#ifndef FACEPAIR_MODEL_MODEL_VERSION_H
#define FACEPAIR_MODEL_MODEL_VERSION_H

#include "model/card.h"
#include "model/network/network.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct model_version {
    struct card card;
    struct network *network; /* touched by the device worker alone, once serving */
    uint64_t bytes;          /* what it declares to take, once loaded */
    /* Measured time a face in a batch, microseconds; at load by the warm-up, then by the worker. */
    atomic_uint face_us;
    size_t coming; /* faces that are being prepared for it; the loop's own, for api/admission.h */

    /* The registry's own, on the thread that owns it. active: NAME alone means this version.
     * pinned: it stays loaded when another becomes active. */
    bool active, pinned;
    atomic_uint references;
    struct model_version *next_dead;
};

/* directory: DATA/models/NAME/VERSION. STATUS_INTERNAL; err names the file. */
enum status model_version_read(const char *directory, struct model_version **version,
                               struct error *err);
/* The same directory. Checks the hash of the weights, opens the network and warms it up (a batch of
 * 2 and one of 16, so that the first request is not the slow one). A version that failed is only to
 * be closed. STATUS_INTERNAL; err names the file. */
enum status model_version_load(const char *directory, struct model_version *version,
                               struct error *err);
void model_version_close(struct model_version *version); /* read or loaded; NULL is allowed */

#endif
