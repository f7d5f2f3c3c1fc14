/* The keeper remembers what it has had published: `kept` is a copy of the registry's list, in
 * values of its own, since the registry is another thread's.
 *
 * Memory. A version declares what it will take before it takes it. `bytes` is the sum over all that
 * is loaded; a version that is replaced stays in it until it was buried, so that a swap needs room
 * for both.
 */
#include "model/keeper_inside.h"

#include "model/decision.h"
#include "model/leftovers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is kept ---- */

struct kept *keeper_find(struct keeper *keeper, const char *name, const char *version) {
    for (size_t i = 0; i < keeper->kept_count; i++) {
        struct kept *kept = &keeper->kept[i];
        if (strcmp(kept->name, name) == 0 && strcmp(kept->version, version) == 0)
            return kept;
    }
    return NULL;
}

struct kept *keeper_find_active(struct keeper *keeper, const char *name) {
    for (size_t i = 0; i < keeper->kept_count; i++)
        if (keeper->kept[i].active && strcmp(keeper->kept[i].name, name) == 0)
            return &keeper->kept[i];
    return NULL;
}

bool keeper_has(const struct keeper *keeper, const char *name, const char *version) {
    for (size_t i = 0; i < keeper->kept_count; i++) {
        const struct kept *kept = &keeper->kept[i];
        if (strcmp(kept->name, name) == 0 && (!version || strcmp(kept->version, version) == 0))
            return true;
    }
    return false;
}

bool keeper_is_pinned(const struct keeper *keeper, const char *name, const char *version) {
    char text[CARD_NAME_MAX + CARD_VERSION_MAX + 2];
    snprintf(text, sizeof(text), "%s@%s", name, version);
    for (const char *const *pinned = keeper->options.pinned; pinned && *pinned; pinned++)
        if (strcmp(*pinned, text) == 0)
            return true;
    return false;
}

void keeper_drop(struct keeper *keeper, struct kept *kept) {
    *kept = keeper->kept[--keeper->kept_count];
}

static void keep(struct keeper *keeper, const char *name, const char *version) {
    assert(keeper->kept_count < REGISTRY_VERSIONS_MAX);
    struct kept *kept = &keeper->kept[keeper->kept_count++];
    *kept = (struct kept){.active = false};
    snprintf(kept->name, sizeof(kept->name), "%s", name);
    snprintf(kept->version, sizeof(kept->version), "%s", version);
}

/* As registry_activate does it; `from` gets the number that was active. */
static void activate(struct keeper *keeper, const char *name, const char *version,
                     char from[CARD_VERSION_MAX + 1]) {
    struct kept *before = keeper_find_active(keeper, name);
    from[0] = '\0';
    keeper_find(keeper, name, version)->active = true;
    if (!before)
        return;
    memcpy(from, before->version, sizeof(before->version));
    before->active = false;
    if (!keeper_is_pinned(keeper, name, from))
        keeper_drop(keeper, before);
}

/* ---- loading aside ---- */

static unsigned long long mib(uint64_t bytes) { return (bytes + (1 << 20) - 1) >> 20; }

static enum status check_memory(const struct keeper *keeper, const struct model_version *version,
                                struct error *err) {
    uint64_t most = keeper->options.memory_bytes_max;
    uint64_t left = keeper->bytes < most ? most - keeper->bytes : 0;
    if (keeper->kept_count == REGISTRY_VERSIONS_MAX)
        return error_set(err, STATUS_NOT_LOADABLE, "%d versions are loaded, and no more can be.",
                         REGISTRY_VERSIONS_MAX);
    if (version->bytes > left)
        return error_set(err, STATUS_NOT_LOADABLE,
                         "%s@%s takes %llu MiB, and of the %llu MiB that models may take "
                         "(--models-memory-max) %llu are left.",
                         version->card.name, version->card.version, mib(version->bytes), mib(most),
                         mib(left));
    return STATUS_OK;
}

/* A default rule that the default model cannot keep would be every client's error. */
static enum status check_rule(const struct keeper *keeper, const struct card *card,
                              struct error *err) {
    struct decision decision;
    struct error cause;
    double max_fmr = keeper->options.default_max_fmr;
    if (max_fmr <= 0 || strcmp(card->name, keeper->default_name) != 0 ||
        decision_by_max_fmr(card, max_fmr, &decision, &cause) == STATUS_OK)
        return STATUS_OK;
    return error_set(err, STATUS_NOT_LOADABLE,
                     "model %s@%s cannot decide at --default-max-fmr %g: %.100s", card->name,
                     card->version, max_fmr, cause.detail);
}

static enum status load_from(struct keeper *keeper, const char *directory,
                             struct model_version **loaded, struct error *err) {
    struct model_version *version = NULL;
    enum status status = model_version_read(directory, &version, err);
    if (status == STATUS_OK)
        status = check_rule(keeper, &version->card, err);
    if (status == STATUS_OK)
        status = check_memory(keeper, version, err);
    if (status == STATUS_OK)
        status = model_version_load(directory, version, err);
    if (status != STATUS_OK) {
        model_version_close(version);
        return status;
    }
    version->pinned = keeper_is_pinned(keeper, version->card.name, version->card.version);
    keeper->bytes += version->bytes;
    *loaded = version;
    return STATUS_OK;
}

/* STATUS_NOT_LOADABLE without a path, or STATUS_INTERNAL with the file's. */
static enum status load(struct keeper *keeper, const char *name, const char *number,
                        struct model_version **loaded, struct error *err) {
    char directory[PATH_MAX];
    enum status status =
        catalog_directory(keeper->options.data_directory, name, number, directory, err);
    return status == STATUS_OK ? load_from(keeper, directory, loaded, err) : status;
}

void keeper_forget(struct keeper *keeper, const struct model_version *version) {
    assert(version->bytes <= keeper->bytes);
    keeper->bytes -= version->bytes;
}

enum status keeper_take_up(struct keeper *keeper, const char *name, const char *number,
                           struct keeper_change *change, struct error *err) {
    if (!keeper_find(keeper, name, number)) {
        enum status status = load(keeper, name, number, &change->loaded, err);
        if (status != STATUS_OK)
            return status;
    }
    change->kind = KEEPER_ACTIVATE;
    snprintf(change->name, sizeof(change->name), "%s", name);
    snprintf(change->to, sizeof(change->to), "%s", number);
    return STATUS_OK;
}

void keeper_settle(struct keeper *keeper, struct keeper_change *change) {
    if (change->loaded)
        keep(keeper, change->name, change->to);
    activate(keeper, change->name, change->to, change->from);
}

void keeper_apply(struct registry *registry, struct keeper_change *change) {
    if (change->kind == KEEPER_ACTIVATE && change->loaded)
        registry_publish(registry, change->loaded);
    if (change->kind == KEEPER_ACTIVATE)
        registry_activate(registry, change->name, change->to);
    if (change->kind == KEEPER_WITHDRAW)
        registry_withdraw(registry, change->name);
    change->loaded = NULL;
}

void keeper_abandon(struct keeper *keeper, struct keeper_change *change) {
    if (change->loaded)
        keeper_forget(keeper, change->loaded);
    model_version_close(change->loaded);
    *change = (struct keeper_change){.kind = KEEPER_NOTHING};
}

/* ---- at start ---- */

static enum status open_active(struct keeper *keeper, struct registry *registry, const char *name,
                               struct error *err) {
    char number[CARD_VERSION_MAX + 1];
    struct keeper_change change = {.kind = KEEPER_NOTHING};
    enum status status = catalog_active(keeper->options.data_directory, name, number, err);
    if (status == STATUS_OK)
        status = keeper_take_up(keeper, name, number, &change, err);
    if (status != STATUS_OK)
        return status;
    keeper_settle(keeper, &change);
    keeper_apply(registry, &change);
    return STATUS_OK;
}

static enum status open_pinned(struct keeper *keeper, struct registry *registry, const char *pinned,
                               struct error *err) {
    char name[CARD_NAME_MAX + 1], number[CARD_VERSION_MAX + 1];
    struct model_version *loaded;
    if (!catalog_parse(pinned, name, number) || !number[0])
        return error_set(err, STATUS_INTERNAL, "--also-load %.100s: not NAME@VERSION", pinned);
    if (keeper_find(keeper, name, number))
        return STATUS_OK;
    enum status status = load(keeper, name, number, &loaded, err);
    if (status != STATUS_OK)
        return status;
    keep(keeper, name, number);
    registry_publish(registry, loaded);
    return STATUS_OK;
}

static enum status open_all(struct keeper *keeper, struct registry *registry, struct error *err) {
    const struct keeper_options *options = &keeper->options;
    struct catalog_models models;
    enum status status = catalog_models(options->data_directory, &models, err);
    if (status == STATUS_OK && models.odd[0])
        status = error_set(err, STATUS_INTERNAL, "%.120s/models/%s: not a model's name",
                           options->data_directory, models.odd);
    if (status == STATUS_OK)
        status = catalog_default(options->data_directory, &models, options->default_model,
                                 keeper->default_name, err);
    for (size_t i = 0; i < models.count && status == STATUS_OK; i++)
        status = open_active(keeper, registry, models.names[i], err);
    for (const char *const *pinned = options->pinned; pinned && *pinned && status == STATUS_OK;
         pinned++)
        status = open_pinned(keeper, registry, *pinned, err);
    if (status == STATUS_OK)
        registry_set_default(registry, keeper->default_name);
    return status == STATUS_OK ? status : STATUS_INTERNAL;
}

static void sweep(const char *data) {
    char models[PATH_MAX];
    if (catalog_directory(data, "", "", models, NULL) == STATUS_OK)
        leftovers_sweep(models);
}

enum status keeper_open(const struct keeper_options *options, struct registry *registry,
                        struct keeper **keeper, struct error *err) {
    struct keeper *opened = calloc(1, sizeof(*opened));
    if (!opened)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    opened->options = *options;
    sweep(options->data_directory);
    enum status status = open_all(opened, registry, err);
    if (status == STATUS_OK)
        *keeper = opened;
    else
        keeper_close(opened);
    return status;
}

void keeper_close(struct keeper *keeper) { free(keeper); }
