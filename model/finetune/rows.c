#include "model/finetune/rows.h"

#include "model/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static enum status map(struct rows *rows, int fd, struct error *err) {
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void *memory = mmap(NULL, rows->bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (memory == MAP_FAILED)
        return error_set(err, STATUS_INTERNAL, "no room for %llu bytes of rows: %.60s",
                         (unsigned long long)rows->bytes, strerror(errno));
    rows->data = memory;
    return STATUS_OK;
}

static enum status map_file(const char *directory, struct rows *rows, struct error *err) {
    char path[PATH_MAX];
    enum status status = file_path(path, err, "%s/rows.XXXXXX", directory);
    if (status != STATUS_OK)
        return status;
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", path, strerror(errno));
    unlink(path);
    int cause = posix_fallocate(fd, 0, (off_t)rows->bytes);
    if (cause != 0)
        status = error_set(err, cause == ENOSPC ? STATUS_STORAGE_FULL : STATUS_INTERNAL,
                           "no room on disk for %llu bytes of rows: %.60s",
                           (unsigned long long)rows->bytes, strerror(cause));
    if (status == STATUS_OK)
        status = map(rows, fd, err);
    close(fd);
    return status;
}

enum status rows_create(size_t count, size_t values, const struct rows_limits *limits,
                        struct rows *rows, struct error *err) {
    size_t bytes;
    *rows = (struct rows){.count = count, .values = values};
    if (__builtin_mul_overflow(count, values * sizeof(float), &bytes))
        return error_set(err, STATUS_STORAGE_FULL, "more rows than a machine can hold");
    rows->bytes = bytes;
    if (bytes <= limits->memory_bytes)
        return map(rows, -1, err);
    if (bytes > limits->disk_bytes)
        return error_set(err, STATUS_STORAGE_FULL,
                         "%zu rows of %zu numbers are %llu bytes, more than cache_bytes_max and "
                         "disk_bytes_max allow: fewer augment.views, or more of the network frozen",
                         count, values, (unsigned long long)bytes);
    rows->on_disk = true;
    return map_file(limits->directory, rows, err);
}

void rows_release(struct rows *rows) {
    if (rows->data)
        munmap(rows->data, rows->bytes);
    *rows = (struct rows){.data = NULL};
}
