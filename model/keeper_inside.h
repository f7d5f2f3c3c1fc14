/* What the files of the keeper share: keeper.c (what is kept; loading aside; the start),
 * keeper_follow.c (other processes' changes), keeper_change.c (this process's own). For these three
 * and their test.
 */
#ifndef FACEPAIR_MODEL_KEEPER_INSIDE_H
#define FACEPAIR_MODEL_KEEPER_INSIDE_H

#include "model/catalog.h"
#include "model/keeper.h"

struct kept {
    char name[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1];
    bool active;
};

struct failure {
    char name[CARD_NAME_MAX + 1]; /* of the model; "": of the directory as a whole */
    uint64_t fingerprint;
};

struct keeper {
    struct keeper_options options;
    char default_name[CARD_NAME_MAX + 1];
    uint64_t bytes; /* declared by all that is loaded, what is dying included */
    size_t kept_count, failures_count;
    struct kept kept[REGISTRY_VERSIONS_MAX];
    struct failure failures[CATALOG_MODELS_MAX + 1];
};

struct kept *keeper_find(struct keeper *keeper, const char *name, const char *version);
struct kept *keeper_find_active(struct keeper *keeper, const char *name);
void keeper_drop(struct keeper *keeper, struct kept *kept);
bool keeper_is_pinned(const struct keeper *keeper, const char *name, const char *version);

/* Loads the version unless it is kept, and makes the change that activates it. STATUS_NOT_LOADABLE
 * without a path, or STATUS_INTERNAL with the file's. */
enum status keeper_take_up(struct keeper *keeper, const char *name, const char *number,
                           struct keeper_change *change, struct error *err);
/* The change will not be applied. */
void keeper_abandon(struct keeper *keeper, struct keeper_change *change);
/* The change will be applied: from here on its version is the registry's. */
void keeper_settle(struct keeper *keeper, struct keeper_change *change);

#endif
