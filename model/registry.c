/* What is loaded, and who may still use it.
 *
 * A version lives in a `struct held` with a count. The registry itself holds one count for as long
 * as the version is published; every request that acquired it holds another. Publishing a newer
 * version is: load and warm it up aside, exchange the pointer in the slot on the owning thread, and
 * drop the registry's count of the old one, which then ends with its last request. Nothing that
 * acquires or releases has to know.
 *
 * Ordering: acquire happens on the owning thread, which also holds the registry's own count, so a
 * version found in a slot cannot reach zero meanwhile. A release is a fetch_sub with
 * acquire-release order: what the users did to the version happens before the close by whoever took
 * the last count.
 */
#include "model/registry.h"

#include "model/digest.h"
#include "model/file.h"
#include "server/clock.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MODELS_MAX = 64, WARM_UP_FACES = 16, PAIR_FACES = 2, ACTIVE_BYTES_MAX = 64 };
#define DEFAULT_MODEL "dlib-resnet"

struct held {
    struct model_version version; /* first: what callers have */
    atomic_uint references;
};

struct registry {
    size_t count;
    struct held *held[MODELS_MAX]; /* by name */
    size_t default_index;
};

static void held_close(struct held *held) {
    network_close(held->version.network);
    card_release(&held->version.card);
    free(held);
}

/* ---- loading ---- */

static enum status join(char path[PATH_MAX], struct error *err, const char *directory,
                        const char *name) {
    int length = snprintf(path, PATH_MAX, "%s/%s", directory, name);
    if (length < 0 || length >= PATH_MAX)
        return error_set(err, STATUS_INTERNAL, "%.180s: the name is too long", directory);
    return STATUS_OK;
}

/* The version that models/NAME/active names: one line. */
static enum status read_active(const char *model_directory, char version[CARD_VERSION_MAX + 1],
                               struct error *err) {
    char path[PATH_MAX];
    enum status status = join(path, err, model_directory, "active");
    if (status != STATUS_OK)
        return status;
    char *text;
    size_t size;
    status = file_read(path, ACTIVE_BYTES_MAX, &text, &size, err);
    if (status != STATUS_OK)
        return status;
    text[strcspn(text, "\r\n")] = '\0';
    if (card_version_valid(text))
        snprintf(version, CARD_VERSION_MAX + 1, "%s", text);
    else
        status = error_set(err, STATUS_INTERNAL, "%.180s: does not name a version", path);
    free(text);
    return status;
}

static enum status check_weights(const char *path, const struct card *card, struct error *err) {
    char digest[DIGEST_TEXT_SIZE];
    enum status status = digest_file(path, digest, err);
    if (status != STATUS_OK)
        return status;
    if (strcmp(digest, card->weights_sha256) != 0)
        return error_set(err, STATUS_INTERNAL,
                         "%.170s: its SHA-256 is not the one in model.json: the file was altered",
                         path);
    return STATUS_OK;
}

/* The first batch of a size makes the tensor library choose and compile its kernels; the second
 * batch of two tells what a face costs. */
static enum status warm_up(struct model_version *version, struct error *err) {
    static const uint32_t batches[] = {PAIR_FACES, WARM_UP_FACES, PAIR_FACES};
    const struct card *card = &version->card;
    size_t face = (size_t)3 * card->input.side * card->input.side;
    float *faces = calloc(WARM_UP_FACES * face, sizeof(*faces));
    float *out = calloc((size_t)WARM_UP_FACES * card->embedding_length, sizeof(*out));
    enum status status = STATUS_OK;
    if (!faces || !out)
        status = error_set(err, STATUS_INTERNAL, "out of memory");
    for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]) && status == STATUS_OK; i++) {
        uint64_t started = clock_monotonic_us();
        status = network_embed(version->network, faces, batches[i], out, err);
        uint64_t face_us = (clock_monotonic_us() - started) / batches[i];
        version->face_us = face_us > 0 ? (unsigned)face_us : 1;
    }
    free(faces);
    free(out);
    return status;
}

static enum status load(const char *version_directory, struct held **loaded, struct error *err) {
    char weights[PATH_MAX];
    struct held *held = calloc(1, sizeof(*held));
    if (!held)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    held->references = 1;
    held->version.active = true;
    enum status status = card_read(version_directory, &held->version.card, err);
    if (status == STATUS_OK)
        status = join(weights, err, version_directory, held->version.card.weights_file);
    if (status == STATUS_OK)
        status = check_weights(weights, &held->version.card, err);
    if (status == STATUS_OK)
        status = network_open(&held->version.card, weights, &held->version.network, err);
    if (status == STATUS_OK)
        status = warm_up(&held->version, err);
    if (status == STATUS_OK)
        *loaded = held;
    else
        held_close(held);
    return status;
}

/* "NAME" or "NAME@VERSION" -> its parts; version is empty when none was given. */
static bool parse(const char *model, char name[CARD_NAME_MAX + 1],
                  char version[CARD_VERSION_MAX + 1]) {
    const char *at = strchr(model, '@');
    size_t length = at ? (size_t)(at - model) : strlen(model);
    if (length > CARD_NAME_MAX)
        return false;
    memcpy(name, model, length);
    name[length] = '\0';
    version[0] = '\0';
    if (at) {
        if (!card_version_valid(at + 1))
            return false;
        snprintf(version, CARD_VERSION_MAX + 1, "%s", at + 1);
    }
    return card_name_valid(name);
}

static enum status refuse_name(struct error *err) {
    return error_set(err, STATUS_INVALID_NAME,
                     "A model is NAME or NAME@VERSION: lower-case letters, digits, '.', '_' and "
                     "'-', and a decimal version.");
}

static enum status load_active(struct registry *registry, const char *models, const char *name,
                               struct error *err) {
    char directory[PATH_MAX], version[CARD_VERSION_MAX + 1], version_directory[PATH_MAX];
    enum status status = join(directory, err, models, name);
    if (status == STATUS_OK)
        status = read_active(directory, version, err);
    if (status == STATUS_OK)
        status = join(version_directory, err, directory, version);
    if (status == STATUS_OK)
        status = load(version_directory, &registry->held[registry->count], err);
    if (status == STATUS_OK)
        registry->count++;
    return status;
}

/* Directories whose name begins with a dot are versions being written; plain files are not models
 * either. */
static int is_candidate(const struct dirent *entry) {
    return entry->d_name[0] != '.' &&
           (entry->d_type == DT_DIR || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN);
}

static bool is_directory(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static enum status load_entry(struct registry *registry, const char *models, const char *name,
                              struct error *err) {
    char path[PATH_MAX];
    enum status status = join(path, err, models, name);
    if (status != STATUS_OK || !is_directory(path))
        return status;
    if (!card_name_valid(name))
        return error_set(err, STATUS_INTERNAL, "%.180s: not a model's name", path);
    if (registry->count == MODELS_MAX)
        return error_set(err, STATUS_INTERNAL, "%.180s: holds more than %d models", models,
                         MODELS_MAX);
    return load_active(registry, models, name, err);
}

static enum status load_all(struct registry *registry, const char *models, struct error *err) {
    struct dirent **entries;
    int count = scandir(models, &entries, is_candidate, alphasort);
    if (count < 0)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", models, strerror(errno));
    enum status status = STATUS_OK;
    for (int i = 0; i < count; i++) {
        if (status == STATUS_OK)
            status = load_entry(registry, models, entries[i]->d_name, err);
        free(entries[i]);
    }
    free(entries);
    if (status == STATUS_OK && registry->count == 0)
        status = error_set(err, STATUS_INTERNAL, "%.180s: holds no model (see `facepair import`)",
                           models);
    return status;
}

static enum status choose_default(struct registry *registry, const char *models, const char *wanted,
                                  struct error *err) {
    const char *name = wanted ? wanted : DEFAULT_MODEL;
    for (size_t i = 0; i < registry->count; i++) {
        if (strcmp(registry->held[i]->version.card.name, name) == 0) {
            registry->default_index = i;
            return STATUS_OK;
        }
    }
    if (wanted)
        return error_set(err, STATUS_INTERNAL, "%.180s: holds no model %.63s", models, wanted);
    if (registry->count > 1)
        return error_set(err, STATUS_INTERNAL,
                         "%.150s: holds several models and none is %s: say "
                         "which is the default",
                         models, DEFAULT_MODEL);
    registry->default_index = 0;
    return STATUS_OK;
}

enum status registry_open(const char *data_directory, const char *default_model,
                          struct registry **registry, struct error *err) {
    char models[PATH_MAX];
    enum status status = join(models, err, data_directory, "models");
    if (status != STATUS_OK)
        return status;
    struct registry *opened = calloc(1, sizeof(*opened));
    if (!opened)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    status = load_all(opened, models, err);
    if (status == STATUS_OK)
        status = choose_default(opened, models, default_model, err);
    if (status == STATUS_OK)
        *registry = opened;
    else
        registry_close(opened);
    return status;
}

/* models/NAME/VERSION; an empty version is the active one. */
static enum status load_version(struct registry *registry, const char *models, const char *name,
                                const char *version, struct error *err) {
    char model[PATH_MAX], active[CARD_VERSION_MAX + 1], directory[PATH_MAX];
    enum status status = join(model, err, models, name);
    if (status == STATUS_OK)
        status = read_active(model, active, err);
    if (status == STATUS_OK)
        status = join(directory, err, model, version[0] ? version : active);
    if (status == STATUS_OK)
        status = load(directory, &registry->held[0], err);
    if (status != STATUS_OK)
        return status;
    registry->held[0]->version.active = !version[0] || strcmp(version, active) == 0;
    registry->count = 1;
    return STATUS_OK;
}

enum status registry_open_one(const char *data_directory, const char *model,
                              struct registry **registry, struct error *err) {
    char models[PATH_MAX], name[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1];
    if (!parse(model, name, version))
        return refuse_name(err);
    enum status status = join(models, err, data_directory, "models");
    if (status != STATUS_OK)
        return status;
    struct registry *opened = calloc(1, sizeof(*opened));
    if (!opened)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    status = load_version(opened, models, name, version, err);
    if (status == STATUS_OK)
        *registry = opened;
    else
        registry_close(opened);
    return status;
}

void registry_close(struct registry *registry) {
    if (!registry)
        return;
    for (size_t i = 0; i < registry->count; i++) {
        assert(atomic_load(&registry->held[i]->references) == 1);
        held_close(registry->held[i]);
    }
    free(registry);
}

/* ---- use ---- */

static struct held *find(struct registry *registry, const char *name, const char *version) {
    for (size_t i = 0; i < registry->count; i++) {
        const struct card *card = &registry->held[i]->version.card;
        if (strcmp(card->name, name) == 0 && (!version[0] || strcmp(card->version, version) == 0))
            return registry->held[i];
    }
    return NULL;
}

enum status registry_acquire(struct registry *registry, const char *model,
                             struct model_version **version, struct error *err) {
    struct held *held = registry->held[registry->default_index];
    if (model) {
        char name[CARD_NAME_MAX + 1], number[CARD_VERSION_MAX + 1];
        if (!parse(model, name, number))
            return refuse_name(err);
        held = find(registry, name, number);
        if (!held)
            return error_set(err, STATUS_UNKNOWN_MODEL,
                             "No model %s%s%s is loaded; GET /v1/models lists what is.", name,
                             number[0] ? "@" : "", number);
    }
    atomic_fetch_add_explicit(&held->references, 1, memory_order_relaxed);
    *version = &held->version;
    return STATUS_OK;
}

void registry_release(struct registry *registry, struct model_version *version) {
    (void)registry;
    struct held *held = (struct held *)version;
    if (atomic_fetch_sub_explicit(&held->references, 1, memory_order_acq_rel) == 1)
        held_close(held);
}

size_t registry_count(const struct registry *registry) { return registry->count; }

const struct model_version *registry_at(const struct registry *registry, size_t index) {
    assert(index < registry->count);
    return &registry->held[index]->version;
}
