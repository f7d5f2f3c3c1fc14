#include "model/import/publish.h"

#include "model/file.h"
#include "model/leftovers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status failed(const char *path, struct error *err) {
    return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", path, strerror(errno));
}

enum status publish_path(char path[PUBLISH_PATH_MAX], struct error *err, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    enum status status = file_path_list(path, err, format, arguments);
    va_end(arguments);
    return status;
}

/* A directory that was made is on disk only once the one above it is. */
static enum status make_part(const char *path, struct error *err) {
    char parent[PUBLISH_PATH_MAX];
    if (mkdir(path, 0755) != 0)
        return errno == EEXIST ? STATUS_OK : failed(path, err);
    enum status status = publish_path(parent, err, "%s/..", path);
    return status == STATUS_OK ? file_flush_directory(parent, err) : status;
}

enum status publish_make_directory(const char *path, struct error *err) {
    char part[PUBLISH_PATH_MAX];
    enum status status = publish_path(part, err, "%s", path);
    if (status != STATUS_OK)
        return status;
    for (char *slash = part; *slash && status == STATUS_OK;) {
        slash = strchrnul(slash + 1, '/');
        char kept = *slash;
        *slash = '\0';
        status = make_part(part, err);
        *slash = kept;
    }
    return status;
}

bool publish_exists(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0;
}

enum status publish_begin(const char *parent, char directory[PUBLISH_PATH_MAX], struct error *err) {
    enum status status = publish_path(directory, err, "%s/.new-XXXXXX", parent);
    if (status != STATUS_OK)
        return status;
    if (!mkdtemp(directory))
        return failed(directory, err);
    if (chmod(directory, 0755) != 0) {
        status = failed(directory, err);
        rmdir(directory);
    }
    return status;
}

enum status publish_finish(const char *directory, const char *target, struct error *err) {
    char parent[PUBLISH_PATH_MAX];
    enum status status = publish_path(parent, err, "%s/..", target);
    if (status == STATUS_OK)
        status = file_flush_directory(directory, err);
    if (status != STATUS_OK)
        return status;
    if (rename(directory, target) != 0)
        return failed(target, err);
    return file_flush_directory(parent, err);
}

void publish_abandon(const char *directory) { leftovers_remove(directory); }
