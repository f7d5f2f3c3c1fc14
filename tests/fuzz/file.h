/* An input as a file, for readers that take a path: it exists in memory alone. */
#ifndef FACEPAIR_TESTS_FUZZ_FILE_H
#define FACEPAIR_TESTS_FUZZ_FILE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct fuzz_file {
    int fd;
    char path[40];
};

static inline void fuzz_file_open(struct fuzz_file *file, const uint8_t *bytes, size_t size) {
    file->fd = memfd_create("fuzz", MFD_CLOEXEC);
    assert(file->fd >= 0);
    ssize_t written = write(file->fd, bytes, size);
    assert(written == (ssize_t)size);
    snprintf(file->path, sizeof file->path, "/proc/self/fd/%d", file->fd);
}

static inline void fuzz_file_close(struct fuzz_file *file) { close(file->fd); }

#endif
