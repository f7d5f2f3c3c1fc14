#include "model/import/version.h"

#include "model/catalog.h"
#include "model/file.h"
#include "model/leftovers.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

enum status version_next(const char *model_directory, char number[CARD_VERSION_MAX + 1],
                         struct error *err) {
    unsigned long long largest;
    enum status status = catalog_largest(model_directory, &largest, err);
    if (status != STATUS_OK)
        return status;
    if (largest == ULLONG_MAX)
        return error_set(err, STATUS_INTERNAL, "%.180s: has no version number left",
                         model_directory);
    snprintf(number, CARD_VERSION_MAX + 1, "%llu", largest + 1);
    return STATUS_OK;
}

static bool is_new_model(const struct version_work *work) {
    return strcmp(work->model, work->place) != 0;
}

/* The model's directory, or a new one beside its place. */
static enum status find_model(const char *data_directory, const char *name,
                              struct version_work *work, struct error *err) {
    char models[PUBLISH_PATH_MAX];
    enum status status = publish_path(models, err, "%s/models", data_directory);
    if (status == STATUS_OK)
        status = publish_path(work->place, err, "%s/%s", models, name);
    if (status == STATUS_OK)
        status = publish_make_directory(models, err);
    if (status != STATUS_OK)
        return status;
    leftovers_sweep(models);
    work->hold = leftovers_hold(models);
    return publish_exists(work->place) ? publish_path(work->model, err, "%s", work->place)
                                       : publish_begin(models, work->model, err);
}

enum status version_begin(const char *data_directory, const char *name, struct version_work *work,
                          struct error *err) {
    work->hold = -1;
    work->model[0] = work->built[0] = '\0';
    enum status status = find_model(data_directory, name, work, err);
    if (status == STATUS_OK)
        status = version_next(work->model, work->number, err);
    if (status == STATUS_OK)
        status = publish_begin(work->model, work->built, err);
    if (status != STATUS_OK)
        version_abandon(work);
    return status;
}

enum status version_write(const struct version_work *work, const char *file, const char *bytes,
                          size_t size, struct error *err) {
    char path[PUBLISH_PATH_MAX];
    enum status status = publish_path(path, err, "%s/%s", work->built, file);
    return status == STATUS_OK ? file_write(path, bytes, size, err) : status;
}

static enum status activate_first(const struct version_work *work, bool *activated,
                                  struct error *err) {
    char path[PUBLISH_PATH_MAX];
    enum status status = publish_path(path, err, "%s/active", work->model);
    *activated = false;
    if (status != STATUS_OK || publish_exists(path))
        return status;
    *activated = true;
    return catalog_write_active(work->model, work->number, err);
}

static enum status publish(struct version_work *work, bool *activated, struct error *err) {
    char version[PUBLISH_PATH_MAX];
    enum status status = publish_path(version, err, "%s/%s", work->model, work->number);
    /* Before the version has its name: a number that was given to nobody is no loss. */
    if (status == STATUS_OK)
        status = catalog_note_given(work->model, work->number, err);
    if (status == STATUS_OK)
        status = publish_finish(work->built, version, err);
    if (status != STATUS_OK) {
        version_abandon(work);
        return status;
    }
    status = activate_first(work, activated, err);
    if (status == STATUS_OK && is_new_model(work))
        status = publish_finish(work->model, work->place, err);
    if (status != STATUS_OK && is_new_model(work))
        publish_abandon(work->model);
    leftovers_release(work->hold);
    return status;
}

enum status version_finish(struct version_work *work, FILE *messages, struct error *err) {
    bool activated = false;
    enum status status = publish(work, &activated, err);
    if (status == STATUS_OK && messages)
        fprintf(messages, "%s/%s: written\n", work->place, work->number);
    if (status == STATUS_OK && messages && activated)
        fprintf(messages, "%s/active: %s\n", work->place, work->number);
    return status;
}

void version_abandon(struct version_work *work) {
    if (work->built[0])
        publish_abandon(work->built);
    if (work->model[0] && is_new_model(work))
        publish_abandon(work->model);
    leftovers_release(work->hold);
}
