/* Named models, immutable versions, the active one of each: what stands in DATA/models, loaded.
 *
 * models/NAME/VERSION/ holds model.json, weights.safetensors and, once measured, evaluation.json;
 * models/NAME/active names the version in use. A missing file or a wrong hash refuses to open, with
 * the file's name. A version is counted: whoever acquired it may use it until released, whatever is
 * promoted meanwhile; the last release closes its network. registry_acquire, _count and _at are for
 * the thread that owns the registry (the loop); registry_release may be called from any thread.
 */
#ifndef FACEPAIR_MODEL_REGISTRY_H
#define FACEPAIR_MODEL_REGISTRY_H

#include "model/card.h"
#include "model/network/network.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct registry;
struct model_version {
    struct card card;
    struct network *network; /* touched by the device worker alone, once serving */
    bool active;
    /* Measured time a face in a batch, microseconds; at load by the warm-up, then by the worker. */
    atomic_uint face_us;
};

/* Loads the active version of every model in data_directory/models and warms it up (a batch of 2
 * and one of 16, so that the first request is not the slow one). default_model: NULL means the only
 * one, or dlib-resnet. STATUS_INTERNAL; err names the file. */
enum status registry_open(const char *data_directory, const char *default_model,
                          struct registry **registry, struct error *err);
/* Loads one version alone, active or not, as the default: for the command line. model: NAME (its
 * active version) or NAME@VERSION. STATUS_INVALID_NAME,
 * or STATUS_INTERNAL; err names the file. */
enum status registry_open_one(const char *data_directory, const char *model,
                              struct registry **registry, struct error *err);
void registry_close(struct registry *registry); /* everything acquired has been released */

/* model: NULL (the default), "NAME" or "NAME@VERSION". STATUS_INVALID_NAME, STATUS_UNKNOWN_MODEL
 * (also for a version that is on disk but not loaded). */
enum status registry_acquire(struct registry *registry, const char *model,
                             struct model_version **version, struct error *err);
void registry_release(struct registry *registry, struct model_version *version);

/* Loaded versions, by name; borrowed. */
size_t registry_count(const struct registry *registry);
const struct model_version *registry_at(const struct registry *registry, size_t index);

#endif
