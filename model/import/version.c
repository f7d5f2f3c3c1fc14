#include "model/import/version.h"

#include "model/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

enum status version_begin(const char *data_directory, const char *name, struct version_work *work,
                          struct error *err) {
    enum status status = publish_path(work->model, err, "%s/models/%s", data_directory, name);
    if (status == STATUS_OK)
        status = publish_make_directory(work->model, err);
    if (status == STATUS_OK)
        status = version_next(work->model, work->number, err);
    if (status == STATUS_OK)
        status = publish_begin(work->model, work->built, err);
    if (status != STATUS_OK)
        rmdir(work->model); /* refused unless it is empty */
    return status;
}

enum status version_write(const struct version_work *work, const char *file, const char *bytes,
                          size_t size, struct error *err) {
    char path[PUBLISH_PATH_MAX];
    enum status status = publish_path(path, err, "%s/%s", work->built, file);
    return status == STATUS_OK ? file_write(path, bytes, size, err) : status;
}

static enum status activate_first(const struct version_work *work, FILE *messages,
                                  struct error *err) {
    char path[PUBLISH_PATH_MAX], line[CARD_VERSION_MAX + 2];
    enum status status = publish_path(path, err, "%s/active", work->model);
    if (status != STATUS_OK || publish_exists(path))
        return status;
    int length = snprintf(line, sizeof(line), "%s\n", work->number);
    status = file_write(path, line, (size_t)length, err);
    if (status == STATUS_OK && messages)
        fprintf(messages, "%s: %s\n", path, work->number);
    return status;
}

enum status version_finish(struct version_work *work, FILE *messages, struct error *err) {
    char target[PUBLISH_PATH_MAX];
    enum status status = publish_path(target, err, "%s/%s", work->model, work->number);
    if (status == STATUS_OK)
        status = publish_finish(work->built, target, err);
    if (status != STATUS_OK) {
        version_abandon(work);
        return status;
    }
    if (messages)
        fprintf(messages, "%s: written\n", target);
    return activate_first(work, messages, err);
}

void version_abandon(struct version_work *work) {
    publish_abandon(work->built);
    rmdir(work->model); /* refused unless it was made for this version and is empty */
}
