#include "model/import/pth.h"

#include "model/import/pickle.h"
#include "model/import/zip.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the records are little-endian");
_Static_assert((int)PICKLE_RANK_MAX <= (int)SAFETENSORS_RANK_MAX &&
                   (int)PICKLE_NAME_MAX <= (int)SAFETENSORS_NAME_MAX &&
                   (int)PICKLE_TENSORS_MAX <= (int)SAFETENSORS_TENSORS_MAX,
               "what can be read can be written");

enum { RECORD_NAME_MAX = 1024 };

struct pth {
    size_t count;
    struct pickle_tensor *described; /* (count), in the same order; owns the names */
    struct safetensors_tensor *tensors;
    float *data;
};

/* An archive that is being read. */
struct archive {
    const char *path; /* for sentences */
    struct zip *zip;
    char root[RECORD_NAME_MAX]; /* what every record's name begins with, "NAME/" */
};

static enum status fault(const struct archive *archive, struct error *err, const char *what,
                         const char *name) {
    return error_set(err, STATUS_INTERNAL, "%.120s: %.60s %.60s", archive->path, what, name);
}

static const struct zip_entry *find_record(const struct archive *archive, const char *folder,
                                           const char *name) {
    char full[2 * RECORD_NAME_MAX];
    snprintf(full, sizeof(full), "%s%s%s", archive->root, folder, name);
    return zip_find(archive->zip, full);
}

/* All records stand in one folder, whose name is torch.save's affair; data.pkl tells it. */
static enum status find_root(struct archive *archive, struct error *err) {
    static const char pickle[] = "/data.pkl";
    size_t tail = strlen(pickle);
    for (size_t i = 0; i < zip_count(archive->zip); i++) {
        const char *name = zip_at(archive->zip, i)->name;
        size_t length = strlen(name);
        if (length <= tail || length - tail + 1 >= RECORD_NAME_MAX ||
            strcmp(name + length - tail, pickle) != 0)
            continue;
        if (archive->root[0])
            return fault(archive, err, "two records are called", "data.pkl");
        memcpy(archive->root, name, length - tail + 1);
    }
    return archive->root[0] ? STATUS_OK : fault(archive, err, "not by torch.save: no", "data.pkl");
}

/* A record as text of at most `size` − 1 bytes. */
static enum status read_short(const struct archive *archive, const struct zip_entry *record,
                              char *text, size_t size, struct error *err) {
    memset(text, 0, size);
    uint64_t bytes = record->size < size - 1 ? record->size : size - 1;
    return zip_read(archive->zip, record, 0, text, bytes, err);
}

static enum status check_byte_order(const struct archive *archive, struct error *err) {
    char order[16];
    const struct zip_entry *record = find_record(archive, "", "byteorder");
    if (!record) /* before version 2.1 it was the machine's, and that was little-endian */
        return STATUS_OK;
    enum status status = read_short(archive, record, order, sizeof(order), err);
    if (status == STATUS_OK && strcmp(order, "little") != 0)
        return fault(archive, err, "its byte order is", order);
    return status;
}

static enum status read_pickle(const struct archive *archive, struct pth *file, struct error *err) {
    const struct zip_entry *record = find_record(archive, "", "data.pkl");
    if (record->size > PICKLE_BYTES_MAX)
        return fault(archive, err, "more is in it than a state dict:", record->name);
    uint8_t *bytes = malloc(record->size + 1);
    if (!bytes)
        return fault(archive, err, "out of", "memory");
    struct error cause;
    enum status status = zip_read(archive->zip, record, 0, bytes, record->size, err);
    if (status == STATUS_OK) {
        status = pickle_read(bytes, record->size, &file->described, &file->count, &cause);
        if (status != STATUS_OK)
            error_set(err, status, "%.120s: %.130s", archive->path, cause.detail);
    }
    free(bytes);
    return status;
}

/* Each tensor gets its place; together they take no more than the file. */
static enum status reserve(const struct archive *archive, struct pth *file, struct error *err) {
    uint64_t total = 0, most = zip_file_bytes(archive->zip) / sizeof(float);
    for (size_t i = 0; i < file->count; i++) {
        if (file->described[i].count > most - total)
            return fault(archive, err, "its tensors are larger than itself, from",
                         file->described[i].name);
        total += file->described[i].count;
    }
    file->tensors = calloc(file->count + 1, sizeof(*file->tensors));
    file->data = malloc(total * sizeof(float) + 1);
    return file->tensors && file->data ? STATUS_OK : fault(archive, err, "out of", "memory");
}

static enum status read_tensors(const struct archive *archive, struct pth *file,
                                struct error *err) {
    float *place = file->data;
    for (size_t i = 0; i < file->count; i++) {
        const struct pickle_tensor *from = &file->described[i];
        const struct zip_entry *record = find_record(archive, "data/", from->storage);
        if (!record)
            return fault(archive, err, "no record for the tensor", from->name);
        if (record->size != from->storage_count * sizeof(float))
            return fault(archive, err, "a record of another size for the tensor", from->name);
        enum status status = zip_read(archive->zip, record, from->offset * sizeof(float), place,
                                      from->count * sizeof(float), err);
        if (status != STATUS_OK)
            return status;
        struct safetensors_tensor *to = &file->tensors[i];
        *to = (struct safetensors_tensor){.name = from->name, .rank = from->rank, .data = place};
        memcpy(to->shape, from->shape, sizeof(from->shape));
        place += from->count;
    }
    return STATUS_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum status check_names(const struct archive *archive, const struct pth *file,
                               struct error *err) {
    const char **names = calloc(file->count + 1, sizeof(*names));
    if (!names)
        return fault(archive, err, "out of", "memory");
    for (size_t i = 0; i < file->count; i++)
        names[i] = file->described[i].name;
    qsort(names, file->count, sizeof(*names), by_name);
    enum status status = STATUS_OK;
    for (size_t i = 1; i < file->count && status == STATUS_OK; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            status = fault(archive, err, "it holds twice the tensor", names[i]);
    free(names);
    return status;
}

static enum status read_archive(struct archive *archive, struct pth *file, struct error *err) {
    enum status status = find_root(archive, err);
    if (status == STATUS_OK)
        status = check_byte_order(archive, err);
    if (status == STATUS_OK)
        status = read_pickle(archive, file, err);
    if (status == STATUS_OK)
        status = check_names(archive, file, err);
    if (status == STATUS_OK)
        status = reserve(archive, file, err);
    if (status == STATUS_OK)
        status = read_tensors(archive, file, err);
    return status;
}

enum status pth_open(const char *path, struct pth **result, struct error *err) {
    struct archive archive = {.path = path};
    struct pth *file = calloc(1, sizeof(*file));
    if (!file)
        return error_set(err, STATUS_INTERNAL, "%.150s: out of memory", path);
    enum status status = zip_open(path, &archive.zip, err);
    if (status == STATUS_OK)
        status = read_archive(&archive, file, err);
    zip_close(archive.zip);
    if (status == STATUS_OK)
        *result = file;
    else
        pth_close(file);
    return status;
}

void pth_close(struct pth *file) {
    if (!file)
        return;
    free(file->described);
    free(file->tensors);
    free(file->data);
    free(file);
}

const struct safetensors_tensor *pth_tensors(const struct pth *file, size_t *count) {
    *count = file->count;
    return file->tensors;
}
