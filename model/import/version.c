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

/* An error names a file by its path, which is about to go. */
static enum status unreadable(const struct error *cause, const char *file, struct error *err) {
    const char *named = strstr(cause->detail, file);
    return error_set(err, STATUS_INTERNAL, "what was to be published cannot be read: %.190s",
                     named ? named : cause->detail);
}

static enum status check_card(const struct version_work *work, const char *path,
                              struct error *err) {
    struct card card;
    enum status status = card_read_file(path, &card, err);
    if (status == STATUS_OK && strcmp(card.version, work->number) != 0)
        status = error_set(err, STATUS_INTERNAL, "model.json: the version is not %s", work->number);
    card_release(&card);
    return status;
}

/* What was built is read as the registry will: a version is never written again, so one that cannot
 * be read stays so. */
static enum status check_readable(const struct version_work *work, struct error *err) {
    char path[PUBLISH_PATH_MAX];
    struct card_metrics metrics;
    struct error cause;
    enum status status = publish_path(path, err, "%s/model.json", work->built);
    if (status == STATUS_OK && check_card(work, path, &cause) != STATUS_OK)
        return unreadable(&cause, "model.json: ", err);
    if (status == STATUS_OK)
        status = publish_path(path, err, "%s/evaluation.json", work->built);
    if (status == STATUS_OK && publish_exists(path) &&
        card_metrics_read(path, &metrics, &cause) != STATUS_OK)
        return unreadable(&cause, "evaluation.json: ", err);
    return status;
}

enum status version_finish(struct version_work *work, FILE *messages, struct error *err) {
    bool activated = false;
    enum status status = check_readable(work, err);
    if (status != STATUS_OK) {
        version_abandon(work);
        return status;
    }
    status = publish(work, &activated, err);
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
