#include "model/import/publish.h"

#include <dirent.h>
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
    int length = vsnprintf(path, PUBLISH_PATH_MAX, format, arguments);
    va_end(arguments);
    if (length < 0 || length >= PUBLISH_PATH_MAX)
        return error_set(err, STATUS_INTERNAL, "%.180s…: the path is too long", path);
    return STATUS_OK;
}

enum status publish_make_directory(const char *path, struct error *err) {
    char part[PUBLISH_PATH_MAX];
    enum status status = publish_path(part, err, "%s", path);
    if (status != STATUS_OK)
        return status;
    for (char *slash = part; *slash;) {
        slash = strchrnul(slash + 1, '/');
        char kept = *slash;
        *slash = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return failed(part, err);
        *slash = kept;
    }
    return STATUS_OK;
}

bool publish_exists(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0;
}

/* A rename is on disk only once the directory that holds the name is. */
static enum status flush_directory(const char *path, struct error *err) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed(path, err);
    enum status status = fsync(fd) == 0 ? STATUS_OK : failed(path, err);
    close(fd);
    return status;
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
        status = flush_directory(directory, err);
    if (status != STATUS_OK)
        return status;
    if (rename(directory, target) != 0)
        return failed(target, err);
    return flush_directory(parent, err);
}

void publish_abandon(const char *directory) {
    DIR *entries = opendir(directory);
    if (!entries)
        return;
    struct dirent *entry;
    while ((entry = readdir(entries)) != NULL)
        unlinkat(dirfd(entries), entry->d_name, 0); /* refuses "." and ".." */
    closedir(entries);
    rmdir(directory);
}
