/* Following the disk: one difference at a time, so that each is published as soon as it is ready.
 *
 * A failure is remembered by a fingerprint of `active`, the version's files and the memory in use:
 * while that stays the same, so would the failure, and nothing is tried and nothing logged.
 */
#include "model/keeper_inside.h"

#include "server/log.h"

#include <stdio.h>
#include <string.h>

static struct failure *find_failure(struct keeper *keeper, const char *name) {
    for (size_t i = 0; i < keeper->failures_count; i++)
        if (strcmp(keeper->failures[i].name, name) == 0)
            return &keeper->failures[i];
    return NULL;
}

static bool failed_before(struct keeper *keeper, const char *name, uint64_t fingerprint) {
    const struct failure *failure = find_failure(keeper, name);
    return failure && failure->fingerprint == fingerprint;
}

static void forget_failure(struct keeper *keeper, const char *name) {
    struct failure *failure = find_failure(keeper, name);
    if (failure)
        *failure = keeper->failures[--keeper->failures_count];
}

static void note_failure(struct keeper *keeper, const char *name, uint64_t fingerprint,
                         const char *number, const char *cause) {
    struct failure *failure = find_failure(keeper, name);
    if (!failure && keeper->failures_count < CATALOG_MODELS_MAX + 1)
        failure = &keeper->failures[keeper->failures_count++];
    if (failure) {
        snprintf(failure->name, sizeof(failure->name), "%s", name);
        failure->fingerprint = fingerprint;
    }
    log_event(LOG_WARN, "model_not_followed", LOG_STR("model", name), LOG_STR("version", number),
              LOG_STR("cause", cause));
}

static uint64_t fingerprint(const struct keeper *keeper, const char *name, const char *number) {
    return catalog_fingerprint(keeper->options.data_directory, name, number) ^
           keeper->bytes * 0x9e3779b97f4a7c15;
}

/* True: the change is made. */
static bool follow(struct keeper *keeper, const char *name, struct keeper_change *change) {
    char number[CARD_VERSION_MAX + 1] = "";
    struct error err;
    enum status status = catalog_active(keeper->options.data_directory, name, number, &err);
    const struct kept *active = keeper_find_active(keeper, name);
    if (status == STATUS_OK && active && strcmp(active->version, number) == 0) {
        forget_failure(keeper, name);
        return false;
    }
    uint64_t mark = fingerprint(keeper, name, number);
    if (failed_before(keeper, name, mark))
        return false;
    if (status == STATUS_OK)
        status = keeper_take_up(keeper, name, number, change, &err);
    if (status != STATUS_OK) {
        note_failure(keeper, name, mark, number, err.detail);
        return false;
    }
    keeper_settle(keeper, change);
    forget_failure(keeper, name);
    return true;
}

static bool lists(const struct catalog_models *models, const char *name) {
    for (size_t i = 0; i < models->count; i++)
        if (strcmp(models->names[i], name) == 0)
            return true;
    return false;
}

static void withdraw(struct keeper *keeper, const char *name, struct keeper_change *change) {
    change->kind = KEEPER_WITHDRAW;
    snprintf(change->name, sizeof(change->name), "%s", name);
    for (size_t i = keeper->kept_count; i > 0; i--)
        if (strcmp(keeper->kept[i - 1].name, change->name) == 0)
            keeper_drop(keeper, &keeper->kept[i - 1]);
    forget_failure(keeper, change->name);
}

/* A model that is kept and no longer there; the default one stays. */
static bool follow_vanished(struct keeper *keeper, const struct catalog_models *models,
                            struct keeper_change *change) {
    for (size_t i = 0; i < keeper->kept_count; i++) {
        const char *name = keeper->kept[i].name;
        if (lists(models, name))
            continue;
        if (strcmp(name, keeper->default_name) != 0) {
            withdraw(keeper, name, change);
            return true;
        }
        if (!failed_before(keeper, name, 0))
            note_failure(keeper, name, 0, keeper->kept[i].version,
                         "the default model has vanished from the disk; it is served on");
    }
    return false;
}

/* Of models that came broken and went; else they would fill the list. */
static void forget_absent(struct keeper *keeper, const struct catalog_models *models) {
    for (size_t i = keeper->failures_count; i > 0; i--) {
        const char *name = keeper->failures[i - 1].name;
        if (!lists(models, name) && strcmp(name, keeper->default_name) != 0)
            keeper->failures[i - 1] = keeper->failures[--keeper->failures_count];
    }
}

void keeper_look(struct keeper *keeper, struct keeper_change *change) {
    struct catalog_models models;
    struct error err;
    *change = (struct keeper_change){.kind = KEEPER_NOTHING};
    if (catalog_models(keeper->options.data_directory, &models, &err) != STATUS_OK) {
        if (!failed_before(keeper, "", 0))
            note_failure(keeper, "", 0, "", err.detail);
        return;
    }
    forget_absent(keeper, &models);
    for (size_t i = 0; i < models.count; i++)
        if (follow(keeper, models.names[i], change))
            return;
    follow_vanished(keeper, &models, change);
}
