/* A version carries a count. The registry holds one for as long as the version is published; every
 * request that acquired it holds another. To publish a newer version is to put it into the list and
 * drop the registry's count of the old one, which then ends with its last request. Nothing that
 * acquires or releases has to know.
 *
 * Ordering: acquire happens on the owner's thread, which also holds the registry's own count, so a
 * version found in the list cannot reach zero meanwhile. A release is a fetch_sub with
 * acquire-release order: what the users did to the version happens before whatever is done by
 * whoever took the last count.
 *
 * The dead are a stack that threads push on by compare-and-exchange and that is taken as a whole by
 * an exchange: nothing is popped from it one by one, so no pointer on it can come back meanwhile.
 */
#include "model/registry.h"

#include "model/catalog.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct registry {
    size_t count;
    struct model_version *versions[REGISTRY_VERSIONS_MAX]; /* by name, then by number */
    char default_name[CARD_NAME_MAX + 1];
    _Atomic(struct model_version *) dead;
};

struct registry *registry_create(void) {
    return calloc(1, sizeof(struct registry));
}

static void lay_among_the_dead(struct registry *registry, struct model_version *version) {
    version->next_dead = atomic_load_explicit(&registry->dead, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&registry->dead, &version->next_dead, version,
                                                  memory_order_release, memory_order_relaxed))
        ;
}

size_t registry_bury(struct registry *registry,
                     void (*closing)(void *context, const struct model_version *version),
                     void *context) {
    size_t count = 0;
    struct model_version *dead =
        atomic_exchange_explicit(&registry->dead, NULL, memory_order_acquire);
    while (dead) {
        struct model_version *next = dead->next_dead;
        if (closing)
            closing(context, dead);
        model_version_close(dead);
        dead = next;
        count++;
    }
    return count;
}

void registry_close(struct registry *registry) {
    if (!registry)
        return;
    for (size_t i = 0; i < registry->count; i++) {
        assert(atomic_load(&registry->versions[i]->references) == 1);
        model_version_close(registry->versions[i]);
    }
    registry_bury(registry, NULL, NULL);
    free(registry);
}

/* ---- the list ---- */

static int compare(const struct card *card, const char *name, const char *number) {
    int order = strcmp(card->name, name);
    return order ? order : catalog_compare_versions(card->version, number);
}

/* The first that is not before it. */
static size_t place_of(const struct registry *registry, const char *name, const char *number) {
    size_t place = 0;
    while (place < registry->count && compare(&registry->versions[place]->card, name, number) < 0)
        place++;
    return place;
}

static struct model_version *find(const struct registry *registry, const char *name,
                                  const char *number) {
    size_t place = place_of(registry, name, number);
    bool found =
        place < registry->count && compare(&registry->versions[place]->card, name, number) == 0;
    return found ? registry->versions[place] : NULL;
}

static struct model_version *find_active(const struct registry *registry, const char *name) {
    for (size_t i = 0; i < registry->count; i++) {
        struct model_version *version = registry->versions[i];
        if (version->active && strcmp(version->card.name, name) == 0)
            return version;
    }
    return NULL;
}

static void unpublish(struct registry *registry, struct model_version *version) {
    size_t place = place_of(registry, version->card.name, version->card.version);
    assert(place < registry->count && registry->versions[place] == version);
    registry->count--;
    for (size_t i = place; i < registry->count; i++)
        registry->versions[i] = registry->versions[i + 1];
    registry_release(registry, version);
}

void registry_publish(struct registry *registry, struct model_version *version) {
    const struct card *card = &version->card;
    size_t place = place_of(registry, card->name, card->version);
    assert(registry->count < REGISTRY_VERSIONS_MAX && !find(registry, card->name, card->version));
    for (size_t i = registry->count; i > place; i--)
        registry->versions[i] = registry->versions[i - 1];
    registry->versions[place] = version;
    registry->count++;
    version->active = false;
    atomic_store_explicit(&version->references, 1, memory_order_relaxed);
}

/* A version that was warmed up beside others' work measured that work too. */
static void learn_cost(struct model_version *version, const struct model_version *before) {
    bool alike = strcmp(version->card.architecture, before->card.architecture) == 0 &&
                 version->card.input.side == before->card.input.side;
    unsigned known = atomic_load_explicit(&before->face_us, memory_order_relaxed);
    if (alike && known < atomic_load_explicit(&version->face_us, memory_order_relaxed))
        atomic_store_explicit(&version->face_us, known, memory_order_relaxed);
}

void registry_activate(struct registry *registry, const char *name, const char *number) {
    struct model_version *version = find(registry, name, number);
    struct model_version *before = find_active(registry, name);
    assert(version);
    if (version == before)
        return;
    version->active = true;
    if (!before)
        return;
    learn_cost(version, before);
    before->active = false;
    if (!before->pinned)
        unpublish(registry, before);
}

void registry_withdraw(struct registry *registry, const char *name) {
    assert(strcmp(name, registry->default_name) != 0);
    for (size_t i = registry->count; i > 0; i--)
        if (strcmp(registry->versions[i - 1]->card.name, name) == 0)
            unpublish(registry, registry->versions[i - 1]);
}

void registry_set_default(struct registry *registry, const char *name) {
    const struct model_version *version = find_active(registry, name);
    assert(version);
    memcpy(registry->default_name, version->card.name, sizeof(registry->default_name));
}

/* ---- use ---- */

enum status registry_acquire(struct registry *registry, const char *model,
                             struct model_version **version, struct error *err) {
    char name[CARD_NAME_MAX + 1], number[CARD_VERSION_MAX + 1];
    if (!catalog_parse(model ? model : registry->default_name, name, number))
        return error_set(err, STATUS_INVALID_NAME, CATALOG_REFERENCE_RULE);
    struct model_version *found =
        number[0] ? find(registry, name, number) : find_active(registry, name);
    if (!found)
        return error_set(err, STATUS_UNKNOWN_MODEL,
                         "No model %s%s%s is loaded; GET /v1/models lists what is.", name,
                         number[0] ? "@" : "", number);
    atomic_fetch_add_explicit(&found->references, 1, memory_order_relaxed);
    *version = found;
    return STATUS_OK;
}

void registry_release(struct registry *registry, struct model_version *version) {
    if (atomic_fetch_sub_explicit(&version->references, 1, memory_order_acq_rel) == 1)
        lay_among_the_dead(registry, version);
}

size_t registry_count(const struct registry *registry) { return registry->count; }

const struct model_version *registry_at(const struct registry *registry, size_t index) {
    assert(index < registry->count);
    return registry->versions[index];
}
