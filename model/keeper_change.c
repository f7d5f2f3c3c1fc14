/* This process's own changes to what is loaded and to the disk, and the list of both.
 *
 * To promote: load and warm up -> write `active` durably -> hand the change to the registry.
 * Whoever dies on the way leaves the old version active or the new one, and never one that does not
 * load.
 */
#include "model/keeper_inside.h"

#include "model/cause.h"
#include "server/log.h"

#include <stdlib.h>
#include <string.h>

/* ---- promotion ---- */

static bool is_active_on_disk(const struct keeper *keeper, const char *name, const char *version) {
    char active[CARD_VERSION_MAX + 1];
    return catalog_active(keeper->options.data_directory, name, active, NULL) == STATUS_OK &&
           strcmp(active, version) == 0;
}

/* The log gets the whole cause, the client one without a path. */
static enum status refuse(const struct keeper *keeper, const char *name, const char *version,
                          const struct error *cause, struct error *err) {
    char directory[PATH_MAX];
    struct error told = {"The version cannot be loaded."};
    log_event(LOG_WARN, "model_not_loadable", LOG_STR("model", name), LOG_STR("version", version),
              LOG_STR("cause", cause->detail));
    if (catalog_directory(keeper->options.data_directory, name, version, directory, NULL) ==
        STATUS_OK)
        cause_without_path(cause->detail, directory, &told);
    return error_set(err, STATUS_NOT_LOADABLE, "%s", told.detail);
}

enum status keeper_promote(struct keeper *keeper, const char *name, const char *version,
                           struct keeper_change *change, struct error *err) {
    struct error cause;
    *change = (struct keeper_change){.kind = KEEPER_NOTHING};
    if (!catalog_has(keeper->options.data_directory, name, version))
        return error_set(
            err, STATUS_UNKNOWN_MODEL,
            "There is no version %s of a model %s; GET /admin/v1/models lists what is.", version,
            name);
    const struct kept *active = keeper_find_active(keeper, name);
    bool here = active && strcmp(active->version, version) == 0;
    if (here && is_active_on_disk(keeper, name, version))
        return STATUS_OK;
    if (!here && keeper_take_up(keeper, name, version, change, &cause) != STATUS_OK)
        return refuse(keeper, name, version, &cause, err);
    enum status status = catalog_activate(keeper->options.data_directory, name, version, err);
    if (status == STATUS_OK && !here)
        keeper_settle(keeper, change);
    if (status != STATUS_OK)
        keeper_abandon(keeper, change);
    return status;
}

enum status keeper_remove(struct keeper *keeper, const char *name, const char *version,
                          struct error *err) {
    if (keeper_find(keeper, name, version) && !is_active_on_disk(keeper, name, version))
        return error_set(
            err, STATUS_IN_USE,
            "%s@%s is loaded here: it is pinned by --also-load, or still serves because "
            "the active version cannot be loaded.",
            name, version);
    return catalog_remove(keeper->options.data_directory, name, version, err);
}

/* ---- the list ---- */

struct listing {
    struct keeper *keeper;
    struct keeper_entry *entries;
    size_t count;
    bool more;
};

static void add(struct listing *listing, const char *name, const char *version) {
    if (listing->count == KEEPER_LIST_MAX) {
        listing->more = true;
        return;
    }
    struct keeper_entry *entry = &listing->entries[listing->count++];
    memset(entry, 0, sizeof(*entry));
    memcpy(entry->name, name, strlen(name));
    memcpy(entry->version, version, strlen(version));
    entry->active = is_active_on_disk(listing->keeper, name, version);
    entry->loaded = keeper_find(listing->keeper, name, version) != NULL;
    entry->pinned = keeper_is_pinned(listing->keeper, name, version);
}

static void add_model(struct listing *listing, const char *name,
                      struct catalog_versions *versions) {
    const char *data = listing->keeper->options.data_directory;
    if (catalog_versions(data, name, versions, NULL) != STATUS_OK)
        return; /* it has vanished meanwhile */
    for (size_t i = 0; i < versions->count; i++)
        add(listing, name, versions->numbers[i]);
}

static enum status fill(struct listing *listing, struct error *err) {
    struct catalog_models models;
    struct catalog_versions *versions = malloc(sizeof(*versions));
    if (!versions)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    enum status status = catalog_models(listing->keeper->options.data_directory, &models, err);
    for (size_t i = 0; status == STATUS_OK && i < models.count; i++)
        add_model(listing, models.names[i], versions);
    free(versions);
    return status;
}

enum status keeper_list(struct keeper *keeper, struct keeper_entry **entries, size_t *count,
                        bool *more, struct error *err) {
    struct listing listing = {.keeper = keeper};
    listing.entries = malloc(KEEPER_LIST_MAX * sizeof(*listing.entries));
    if (!listing.entries)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    enum status status = fill(&listing, err);
    if (status != STATUS_OK) {
        free(listing.entries);
        return status;
    }
    *entries = listing.entries;
    *count = listing.count;
    *more = listing.more;
    return STATUS_OK;
}
