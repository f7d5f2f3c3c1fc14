#include "model/safetensors.h"
#include "model/safetensors_header.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

struct safetensors {
    struct safetensors_header header;
    struct safetensors_tensor *tensors; /* (header.count), sorted by name */
    float *data;
};

enum { LENGTH_BYTES = 8 };

static enum status read_exactly(int fd, const char *path, void *buffer, size_t size,
                                struct error *err) {
    char *at = buffer;
    while (size > 0) {
        ssize_t got = read(fd, at, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return error_set(err, STATUS_INTERNAL, "%.150s: cannot read: %s", path,
                             got < 0 ? strerror(errno) : "the file shrank");
        at += got;
        size -= (size_t)got;
    }
    return STATUS_OK;
}

/* The sizes that the file claims, held against the size it has. */
static enum status read_sizes(int fd, const char *path, uint64_t *header_bytes,
                              uint64_t *data_bytes, struct error *err) {
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return error_set(err, STATUS_INTERNAL, "%.150s: not a regular file", path);
    if (info.st_size < LENGTH_BYTES)
        return error_set(err, STATUS_INTERNAL, "%.150s: too short for safetensors", path);
    enum status status = read_exactly(fd, path, header_bytes, LENGTH_BYTES, err);
    if (status != STATUS_OK)
        return status;
    uint64_t rest = (uint64_t)info.st_size - LENGTH_BYTES;
    if (*header_bytes > rest || *header_bytes > SAFETENSORS_HEADER_MAX)
        return error_set(err, STATUS_INTERNAL,
                         "%.150s: a safetensors header of %" PRIu64 " bytes does not fit", path,
                         *header_bytes);
    *data_bytes = rest - *header_bytes;
    return STATUS_OK;
}

static enum status read_header(int fd, const char *path, uint64_t header_bytes, uint64_t data_bytes,
                               struct safetensors_header *header, struct error *err) {
    char *text = malloc(header_bytes + 1);
    if (!text)
        return error_set(err, STATUS_INTERNAL, "%.150s: out of memory", path);
    enum status status = read_exactly(fd, path, text, header_bytes, err);
    if (status == STATUS_OK) {
        struct error cause;
        status = safetensors_header_parse(text, header_bytes, data_bytes, header, &cause);
        if (status != STATUS_OK)
            error_set(err, status, "%.150s: %s", path, cause.detail);
    }
    free(text);
    return status;
}

/* Reads the tensors' bytes and points each entry into them. */
static enum status read_data(int fd, const char *path, uint64_t data_bytes,
                             struct safetensors *file, struct error *err) {
    size_t count = file->header.count;
    file->tensors = calloc(count + 1, sizeof(*file->tensors));
    file->data = malloc(data_bytes + sizeof(float));
    if (!file->tensors || !file->data)
        return error_set(err, STATUS_INTERNAL, "%.150s: out of memory", path);
    for (size_t i = 0; i < count; i++) {
        const struct safetensors_header_entry *entry = &file->header.entries[i];
        struct safetensors_tensor *tensor = &file->tensors[i];
        tensor->name = entry->name;
        tensor->rank = entry->rank;
        memcpy(tensor->shape, entry->shape, sizeof(tensor->shape));
        /* All ranges are whole floats and adjoin from 0, so begin is a multiple of four. */
        tensor->data = file->data + entry->begin / sizeof(float);
    }
    return read_exactly(fd, path, file->data, data_bytes, err);
}

enum status safetensors_open(const char *path, struct safetensors **result, struct error *err) {
    uint64_t header_bytes = 0, data_bytes = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang the start */
    if (fd < 0)
        return error_set(err, STATUS_INTERNAL, "%.150s: %s", path, strerror(errno));
    enum status status = read_sizes(fd, path, &header_bytes, &data_bytes, err);
    struct safetensors *file = NULL;
    if (status == STATUS_OK) {
        file = calloc(1, sizeof(*file));
        if (!file)
            status = error_set(err, STATUS_INTERNAL, "%.150s: out of memory", path);
    }
    if (status == STATUS_OK)
        status = read_header(fd, path, header_bytes, data_bytes, &file->header, err);
    if (status == STATUS_OK)
        status = read_data(fd, path, data_bytes, file, err);
    close(fd);
    if (status != STATUS_OK) {
        safetensors_close(file);
        return status;
    }
    *result = file;
    return STATUS_OK;
}

void safetensors_close(struct safetensors *file) {
    if (!file)
        return;
    safetensors_header_release(&file->header);
    free(file->tensors);
    free(file->data);
    free(file);
}

size_t safetensors_count(const struct safetensors *file) { return file->header.count; }

const struct safetensors_tensor *safetensors_all(const struct safetensors *file) {
    return file->tensors;
}

static int by_name(const void *name, const void *tensor) {
    return strcmp(name, ((const struct safetensors_tensor *)tensor)->name);
}

const struct safetensors_tensor *safetensors_find(const struct safetensors *file,
                                                  const char *name) {
    return bsearch(name, file->tensors, file->header.count, sizeof(*file->tensors), by_name);
}

static uint64_t tensor_bytes(const struct safetensors_tensor *tensor) {
    uint64_t bytes = sizeof(float);
    for (uint32_t i = 0; i < tensor->rank; i++)
        bytes *= tensor->shape[i];
    return bytes;
}

static void write_header(FILE *out, const struct safetensors_tensor *tensors, size_t count) {
    uint64_t offset = 0;
    fputc('{', out);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[", i ? "," : "", tensors[i].name);
        for (uint32_t d = 0; d < tensors[i].rank; d++)
            fprintf(out, "%s%" PRIu64, d ? "," : "", tensors[i].shape[d]);
        fprintf(out, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", offset,
                offset + tensor_bytes(&tensors[i]));
        offset += tensor_bytes(&tensors[i]);
    }
    fputc('}', out);
}

/* The header as text, padded with spaces so that the data begins on a multiple of eight bytes. */
static char *format_header(const struct safetensors_tensor *tensors, size_t count, size_t *length) {
    char *text = NULL;
    FILE *out = open_memstream(&text, length);
    if (!out)
        return NULL;
    write_header(out, tensors, count);
    while (fflush(out) == 0 && *length % 8 != 0)
        fputc(' ', out);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}

enum status safetensors_write(const char *path, const struct safetensors_tensor *tensors,
                              size_t count, struct error *err) {
    size_t length;
    char *header = format_header(tensors, count, &length);
    if (!header)
        return error_set(err, STATUS_INTERNAL, "%.150s: out of memory", path);
    FILE *out = fopen(path, "wbx");
    if (!out) {
        free(header);
        return error_set(err, STATUS_INTERNAL, "%.150s: %s", path, strerror(errno));
    }
    uint64_t length64 = length;
    fwrite(&length64, LENGTH_BYTES, 1, out);
    fwrite(header, length, 1, out);
    free(header);
    for (size_t i = 0; i < count; i++)
        fwrite(tensors[i].data, tensor_bytes(&tensors[i]), 1, out);
    bool failed = fflush(out) != 0 || ferror(out) || fsync(fileno(out)) != 0;
    if (fclose(out) != 0 || failed) {
        unlink(path);
        return error_set(err, STATUS_INTERNAL, "%.150s: cannot write: %s", path, strerror(errno));
    }
    return STATUS_OK;
}
