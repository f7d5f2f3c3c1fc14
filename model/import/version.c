#include "model/import/version.h"

#include "model/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum status version_next(const char *model_directory, char number[CARD_VERSION_MAX + 1],
                         struct error *err) {
    unsigned long long largest = 0;
    DIR *entries = opendir(model_directory);
    if (!entries)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", model_directory, strerror(errno));
    struct dirent *entry;
    while ((entry = readdir(entries)) != NULL) {
        unsigned long long found =
            card_version_valid(entry->d_name) ? strtoull(entry->d_name, NULL, 10) : 0;
        largest = found > largest ? found : largest;
    }
    closedir(entries);
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
    return publish_exists(work->place) ? publish_path(work->model, err, "%s", work->place)
                                       : publish_begin(models, work->model, err);
}

enum status version_begin(const char *data_directory, const char *name, struct version_work *work,
                          struct error *err) {
    enum status status = find_model(data_directory, name, work, err);
    if (status != STATUS_OK)
        return status;
    status = version_next(work->model, work->number, err);
    if (status == STATUS_OK)
        status = publish_begin(work->model, work->built, err);
    if (status != STATUS_OK && is_new_model(work))
        publish_abandon(work->model);
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
    char path[PUBLISH_PATH_MAX], line[CARD_VERSION_MAX + 2];
    enum status status = publish_path(path, err, "%s/active", work->model);
    *activated = false;
    if (status != STATUS_OK || publish_exists(path))
        return status;
    int length = snprintf(line, sizeof(line), "%s\n", work->number);
    *activated = true;
    return file_write(path, line, (size_t)length, err);
}

/* The new model gets its name; or its version and itself are removed. */
static enum status publish_model(const struct version_work *work, const char *version,
                                 struct error *err) {
    enum status status = publish_finish(work->model, work->place, err);
    if (status != STATUS_OK) {
        publish_abandon(version);
        publish_abandon(work->model);
    }
    return status;
}

enum status version_finish(struct version_work *work, FILE *messages, struct error *err) {
    char version[PUBLISH_PATH_MAX];
    bool activated = false;
    enum status status = publish_path(version, err, "%s/%s", work->model, work->number);
    if (status == STATUS_OK)
        status = publish_finish(work->built, version, err);
    if (status != STATUS_OK) {
        version_abandon(work);
        return status;
    }
    status = activate_first(work, &activated, err);
    if (status == STATUS_OK && is_new_model(work))
        status = publish_model(work, version, err);
    if (status == STATUS_OK && messages)
        fprintf(messages, "%s/%s: written\n", work->place, work->number);
    if (status == STATUS_OK && messages && activated)
        fprintf(messages, "%s/active: %s\n", work->place, work->number);
    return status;
}

void version_abandon(struct version_work *work) {
    publish_abandon(work->built);
    if (is_new_model(work))
        publish_abandon(work->model);
}
