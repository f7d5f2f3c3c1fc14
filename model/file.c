#include "model/file.h"

#include "server/write_all.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status failed(struct error *err, const char *path, const char *why) {
    return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", path, why);
}

enum status file_cause(int cause) {
    return cause == ENOSPC || cause == EDQUOT ? STATUS_STORAGE_FULL : STATUS_INTERNAL;
}

static enum status not_written(struct error *err, const char *path, int cause) {
    return error_set(err, file_cause(cause), "%.180s: %.60s", path, strerror(cause));
}

enum status file_path_list(char path[PATH_MAX], struct error *err, const char *format,
                           va_list arguments) {
    int length = vsnprintf(path, PATH_MAX, format, arguments);
    if (length < 0 || length >= PATH_MAX)
        return error_set(err, STATUS_INTERNAL, "%.180s…: the path is too long", path);
    return STATUS_OK;
}

enum status file_path(char path[PATH_MAX], struct error *err, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    enum status status = file_path_list(path, err, format, arguments);
    va_end(arguments);
    return status;
}

/* read() until `size` bytes or the end: the file may shrink while it is read. */
static ssize_t read_all(int fd, char *bytes, size_t size) {
    size_t have = 0;
    while (have < size) {
        ssize_t n = read(fd, bytes + have, size - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

/* *size: what it has now. */
static enum status open_small(const char *path, size_t bytes_max, int *out, size_t *size,
                              struct error *err) {
    /* O_NONBLOCK: opening a named pipe must not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return failed(err, path, strerror(errno));
    enum status status = STATUS_OK;
    struct stat about;
    if (fstat(fd, &about) != 0)
        status = failed(err, path, strerror(errno));
    else if (!S_ISREG(about.st_mode))
        status = failed(err, path, "not a regular file");
    else if ((uintmax_t)about.st_size > bytes_max)
        status = failed(err, path, "the file is too large");
    if (status != STATUS_OK) {
        close(fd);
        return status;
    }
    *out = fd;
    *size = (size_t)about.st_size;
    return STATUS_OK;
}

/* At most *size bytes; closes fd. */
static enum status take_all(const char *path, int fd, char *bytes, size_t *size,
                            struct error *err) {
    ssize_t n = read_all(fd, bytes, *size);
    int cause = errno;
    close(fd);
    if (n < 0)
        return failed(err, path, strerror(cause));
    bytes[n] = '\0';
    *size = (size_t)n;
    return STATUS_OK;
}

enum status file_read(const char *path, size_t bytes_max, char **bytes, size_t *size,
                      struct error *err) {
    int fd;
    size_t found;
    enum status status = open_small(path, bytes_max, &fd, &found, err);
    if (status != STATUS_OK)
        return status;
    char *buffer = malloc(found + 1);
    if (!buffer) {
        close(fd);
        return failed(err, path, "out of memory");
    }
    status = take_all(path, fd, buffer, &found, err);
    if (status != STATUS_OK) {
        free(buffer);
        return status;
    }
    *bytes = buffer;
    *size = found;
    return STATUS_OK;
}

enum status file_read_into(const char *path, size_t bytes_max, char *bytes, size_t *size,
                           struct error *err) {
    int fd;
    size_t found;
    enum status status = open_small(path, bytes_max, &fd, &found, err);
    if (status == STATUS_OK)
        status = take_all(path, fd, bytes, &found, err);
    if (status == STATUS_OK)
        *size = found;
    return status;
}

enum status file_flush_directory(const char *path, struct error *err) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed(err, path, strerror(errno));
    enum status status = fsync(fd) == 0 ? STATUS_OK : failed(err, path, strerror(errno));
    close(fd);
    return status;
}

/* The directory that holds the name, in place. */
static const char *cut_name(char *path) {
    char *slash = strrchr(path, '/');
    if (!slash)
        return ".";
    slash[slash == path] = '\0'; /* "/name" is in "/" */
    return path;
}

static bool take_mode(const char *path, int fd) {
    struct stat about;
    if (stat(path, &about) != 0)
        return fchmod(fd, 0644) == 0;
    if (fchown(fd, about.st_uid, about.st_gid) != 0 && errno != EPERM)
        return false;
    return fchmod(fd, about.st_mode & 0777) == 0;
}

enum status file_write(const char *path, const char *bytes, size_t size, struct error *err) {
    char temporary[PATH_MAX];
    int length = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    if (length < 0 || (size_t)length >= sizeof(temporary))
        return failed(err, path, "the name is too long");
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return not_written(err, path, errno);
    bool written = write_all(fd, bytes, size) && take_mode(path, fd) && fsync(fd) == 0;
    int cause = errno;
    if (close(fd) != 0 && written) {
        written = false;
        cause = errno;
    }
    if (written && rename(temporary, path) != 0) {
        written = false;
        cause = errno;
    }
    if (!written) {
        unlink(temporary);
        return not_written(err, path, cause);
    }
    return file_flush_directory(cut_name(temporary), err);
}

enum { COPY_BYTES = 1 << 16 };

static bool copy_bytes(int from, int to) {
    char buffer[COPY_BYTES];
    ssize_t count;
    while ((count = read(from, buffer, sizeof(buffer))) > 0)
        if (!write_all(to, buffer, (size_t)count))
            return false;
    return count == 0 && fsync(to) == 0;
}

enum status file_share(const char *from, const char *to, struct error *err) {
    if (link(from, to) == 0)
        return STATUS_OK;
    int source = open(from, O_RDONLY | O_CLOEXEC);
    if (source < 0)
        return failed(err, from, strerror(errno));
    int target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    enum status status =
        target >= 0 && copy_bytes(source, target) ? STATUS_OK : failed(err, to, strerror(errno));
    close(source);
    if (target >= 0 && close(target) != 0 && status == STATUS_OK)
        status = failed(err, to, strerror(errno));
    return status;
}
