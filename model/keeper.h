/* Decides what of DATA/models is loaded: the active version of every model, and the versions that
 * are pinned. It loads and warms up aside, under a limit of memory; whoever owns the registry is
 * handed the result as a change, and applies it.
 *
 * One thread at a time, the disk thread once serving; it waits for disks and computes. What it
 * knows of the registry is what its own changes have made of it, so the changes must be applied in
 * the order in which they were made.
 *
 *     keeper_look()     another process may have changed a model: the next thing to follow
 *     keeper_promote()  a version becomes the active one, here and on disk
 *     keeper_remove()   a version leaves the disk
 */
#ifndef FACEPAIR_MODEL_KEEPER_H
#define FACEPAIR_MODEL_KEEPER_H

#include "model/registry.h"

struct keeper;

struct keeper_options {
    const char *data_directory;
    const char *default_model; /* NULL: the only one, or dlib-resnet */
    const char *const *pinned; /* "NAME@VERSION", NULL at the end; NULL: none */
    uint64_t memory_bytes_max; /* of all that is loaded, by what each version declares */
    double default_max_fmr;    /* what the default model must be able to decide at; 0: anything */
};

enum keeper_change_kind { KEEPER_NOTHING, KEEPER_ACTIVATE, KEEPER_WITHDRAW };

struct keeper_change {
    enum keeper_change_kind kind;
    char name[CARD_NAME_MAX + 1];
    /* With KEEPER_ACTIVATE: what becomes active, what was (empty: nothing), and the version when it
     * is not published yet: the change's until applied. */
    char to[CARD_VERSION_MAX + 1], from[CARD_VERSION_MAX + 1];
    struct model_version *loaded;
};

/* The options' strings are borrowed for the keeper's life. Publishes into the registry, which
 * nobody else has yet, all that is to be loaded. STATUS_INTERNAL; err names the file, or what does
 * not fit into the memory. */
enum status keeper_open(const struct keeper_options *options, struct registry *registry,
                        struct keeper **keeper, struct error *err);
void keeper_close(struct keeper *keeper); /* NULL is allowed */

/* On the registry's owner: publishes, activates or withdraws. */
void keeper_apply(struct registry *registry, struct keeper_change *change);
/* The next difference between the disk and what is loaded, loaded if it has to be; KEEPER_NOTHING:
 * there is none, or nothing that can be followed. What cannot be is logged once and tried again
 * when one of its files has changed (or, where memory was short, each time). */
void keeper_look(struct keeper *keeper, struct keeper_change *change);

/* Loads, warms up, writes `active`. STATUS_UNKNOWN_MODEL; STATUS_NOT_LOADABLE with what is wrong
 * and without a path (the log has the whole cause); STATUS_INTERNAL: `active` could not be written.
 * Then nothing has changed. KEEPER_NOTHING with STATUS_OK: it is the active version already. */
enum status keeper_promote(struct keeper *keeper, const char *name, const char *version,
                           struct keeper_change *change, struct error *err);
/* STATUS_UNKNOWN_MODEL, STATUS_ACTIVE_VERSION, STATUS_IN_USE, STATUS_INTERNAL. */
enum status keeper_remove(struct keeper *keeper, const char *name, const char *version,
                          struct error *err);

/* Memory of a version that was buried is free again. */
void keeper_forget(struct keeper *keeper, const struct model_version *version);
/* Is this version (NULL: any of the model) loaded and not only dying? */
bool keeper_has(const struct keeper *keeper, const char *name, const char *version);

/* Every version on disk, by name and then by number, at most KEEPER_LIST_MAX of them. */
enum { KEEPER_LIST_MAX = 1000 };
struct keeper_entry {
    char name[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1];
    bool active; /* as the disk says */
    bool loaded, pinned;
};
/* *entries from malloc; *more: there are others. STATUS_INTERNAL. */
enum status keeper_list(struct keeper *keeper, struct keeper_entry **entries, size_t *count,
                        bool *more, struct error *err);

#endif
