/* What is loaded, and who may still use it: versions of models, published by name.
 *
 * A version is counted: whoever acquired it may use it until released, whatever is published
 * meanwhile. Publishing and acquiring belong to one thread, the registry's owner (the loop), so
 * that neither needs a lock; registry_release may be called from any thread. Closing a network
 * frees a hundred megabytes and joins threads, so the last release does not close: it lays the
 * version on a heap of the dead, which one other thread (the disk thread) buries.
 */
#ifndef FACEPAIR_MODEL_REGISTRY_H
#define FACEPAIR_MODEL_REGISTRY_H

#include "model/model_version.h"

#include <stddef.h>

enum { REGISTRY_VERSIONS_MAX = 128 };

struct registry;

struct registry *registry_create(void);         /* NULL: out of memory */
void registry_close(struct registry *registry); /* all that was acquired has been released */

/* ---- the owner's thread ---- */

/* Takes a loaded version of which none is published under its name and number; there is room
 * (registry_count < REGISTRY_VERSIONS_MAX). It is not the active one yet. */
void registry_publish(struct registry *registry, struct model_version *version);
/* Makes a published version the active one. The one that was so before is unpublished unless it is
 * pinned. */
void registry_activate(struct registry *registry, const char *name, const char *number);
/* Unpublishes every version of the model; not the default one. */
void registry_withdraw(struct registry *registry, const char *name);
/* A model that has an active version, and keeps having one. */
void registry_set_default(struct registry *registry, const char *name);

/* model: NULL (the default), "NAME" or "NAME@VERSION". STATUS_INVALID_NAME, STATUS_UNKNOWN_MODEL
 * (also for a version that is on disk but not loaded). */
enum status registry_acquire(struct registry *registry, const char *model,
                             struct model_version **version, struct error *err);

/* Published versions, by name and then by number; borrowed. */
size_t registry_count(const struct registry *registry);
const struct model_version *registry_at(const struct registry *registry, size_t index);

/* ---- any thread ---- */

void registry_release(struct registry *registry, struct model_version *version);
/* Closes what nobody uses any more; `closing` (may be NULL) is told of each version before. Returns
 * how many there were. */
size_t registry_bury(struct registry *registry,
                     void (*closing)(void *context, const struct model_version *version),
                     void *context);

/* ---- for the command line: registry_open.c ---- */

/* The active version of every model in data_directory/models. default_model: NULL means the only
 * one, or dlib-resnet. STATUS_INTERNAL; err names the file. */
enum status registry_open(const char *data_directory, const char *default_model,
                          struct registry **registry, struct error *err);
/* One version alone, active or not, to be acquired by the same name; the active one is the default.
 * model: NAME (its active version) or NAME@VERSION. STATUS_INVALID_NAME, or STATUS_INTERNAL; err
 * names the file. */
enum status registry_open_one(const char *data_directory, const char *model,
                              struct registry **registry, struct error *err);

#endif
