/* Linked into a program with --wrap: the k-th allocation that our own code asks for from now on is
 * refused, once, whatever thread asks. Who wants that writes k into the file that
 * FACEPAIR_FAIL_ALLOCATION names (8 bytes, little-endian; 0: none); what stands there afterwards is
 * how many more there would have been to come: 0 and below, it has happened. Nothing is kept for
 * the next request (server/spare.h), so that each asks for all that it needs. */
#include "server/spare.h"

#include <assert.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define WRAPPED(type, name, parameters)                                                            \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;

WRAPPED(void *, malloc, (size_t size))
WRAPPED(void *, calloc, (size_t count, size_t size))
WRAPPED(void *, realloc, (void *memory, size_t size))
WRAPPED(void *, reallocarray, (void *memory, size_t count, size_t size))
WRAPPED(void *, aligned_alloc, (size_t alignment, size_t size))
WRAPPED(char *, strdup, (const char *text))
WRAPPED(char *, strndup, (const char *text, size_t size))
WRAPPED(FILE *, open_memstream, (char **text, size_t *size))
WRAPPED(struct spare *, spare_create, (size_t bytes_max))
int __wrap_asprintf(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static _Atomic int64_t *left;

__attribute__((constructor)) static void open_counter(void) {
    const char *path = getenv("FACEPAIR_FAIL_ALLOCATION");
    if (!path)
        return;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert(fd >= 0);
    left = mmap(NULL, sizeof *left, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert(left != MAP_FAILED);
    close(fd);
}

static int is_refused(void) {
    return left && atomic_load(left) > 0 && atomic_fetch_sub(left, 1) == 1;
}

void *__wrap_malloc(size_t size) { return is_refused() ? NULL : __real_malloc(size); }

void *__wrap_calloc(size_t count, size_t size) {
    return is_refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size) {
    return is_refused() ? NULL : __real_realloc(memory, size);
}

void *__wrap_reallocarray(void *memory, size_t count, size_t size) {
    return is_refused() ? NULL : __real_reallocarray(memory, count, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    return is_refused() ? NULL : __real_aligned_alloc(alignment, size);
}

char *__wrap_strdup(const char *text) { return is_refused() ? NULL : __real_strdup(text); }

char *__wrap_strndup(const char *text, size_t size) {
    return is_refused() ? NULL : __real_strndup(text, size);
}

FILE *__wrap_open_memstream(char **text, size_t *size) {
    return is_refused() ? NULL : __real_open_memstream(text, size);
}

struct spare *__wrap_spare_create(size_t bytes_max) {
    (void)bytes_max;
    return __real_spare_create(0);
}

int __wrap_asprintf(char **text, const char *format, ...) {
    if (is_refused())
        return -1;
    va_list values;
    va_start(values, format);
    int length = vasprintf(text, format, values);
    va_end(values);
    return length;
}
