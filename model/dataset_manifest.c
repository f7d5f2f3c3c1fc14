#include "model/dataset_manifest.h"

#include "model/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_MAX = 1 << 28, CAPACITY_LEAST = 256 };

enum status dataset_manifest_add(struct dataset_manifest *manifest, const char *name,
                                 const char *sha256, struct error *err) {
    if (manifest->count == DATASET_FILES_MAX)
        return error_set(err, STATUS_BODY_TOO_LARGE, "A data set may have %d files.",
                         DATASET_FILES_MAX);
    if (manifest->count == manifest->capacity) {
        size_t capacity = manifest->capacity ? 2 * manifest->capacity : CAPACITY_LEAST;
        void *lines = reallocarray(manifest->lines, capacity, sizeof *manifest->lines);
        if (!lines)
            return error_set(err, STATUS_INTERNAL, "out of memory for a manifest");
        manifest->lines = lines;
        manifest->capacity = capacity;
    }
    struct dataset_line *line = &manifest->lines[manifest->count];
    line->name = strdup(name);
    if (!line->name)
        return error_set(err, STATUS_INTERNAL, "out of memory for a manifest");
    memcpy(line->sha256, sha256, DIGEST_TEXT_SIZE);
    manifest->count++;
    return STATUS_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct dataset_line *)a)->name, ((const struct dataset_line *)b)->name);
}

static char *write_lines(const struct dataset_manifest *manifest, size_t *size) {
    char *text = NULL;
    FILE *stream = open_memstream(&text, size);
    if (!stream)
        return NULL;
    for (size_t i = 0; i < manifest->count; i++)
        fprintf(stream, "%s  %s\n", manifest->lines[i].sha256, manifest->lines[i].name);
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

enum status dataset_manifest_write(struct dataset_manifest *manifest, const char *folder,
                                   char sha256[DIGEST_TEXT_SIZE], struct error *err) {
    if (manifest->count > 0)
        qsort(manifest->lines, manifest->count, sizeof *manifest->lines, by_name);
    size_t size = 0;
    char *text = write_lines(manifest, &size);
    if (!text)
        return error_set(err, STATUS_INTERNAL, "out of memory for a manifest");
    char path[PATH_MAX];
    enum status status = file_path(path, err, "%s/%s", folder, DATASET_MANIFEST);
    if (status == STATUS_OK)
        status = file_write(path, text, size, err);
    digest_bytes(text, size, sha256);
    free(text);
    return status;
}

static enum status read_line(struct dataset_manifest *manifest, char *line, struct error *err) {
    enum { DIGITS = DIGEST_TEXT_SIZE - 1 };
    if (strspn(line, "0123456789abcdef") != DIGITS || strncmp(line + DIGITS, "  ", 2) != 0)
        return error_set(err, STATUS_INTERNAL, "a line of %s is malformed", DATASET_MANIFEST);
    line[DIGITS] = '\0';
    const char *name = line + DIGITS + 2;
    struct dataset_path path;
    if (dataset_path_parse(name, false, &path, err) != STATUS_OK || path.top[0])
        return error_set(err, STATUS_INTERNAL, "a name in %s is malformed", DATASET_MANIFEST);
    return dataset_manifest_add(manifest, name, line, err);
}

enum status dataset_manifest_read(const char *folder, struct dataset_manifest *manifest,
                                  struct error *err) {
    char path[PATH_MAX], *text = NULL, *rest = NULL;
    size_t size;
    *manifest = (struct dataset_manifest){0};
    enum status status = file_path(path, err, "%s/%s", folder, DATASET_MANIFEST);
    if (status == STATUS_OK)
        status = file_read(path, BYTES_MAX, &text, &size, err);
    if (status != STATUS_OK)
        return status;
    for (char *line = strtok_r(text, "\n", &rest); line && status == STATUS_OK;
         line = strtok_r(NULL, "\n", &rest))
        status = read_line(manifest, line, err);
    free(text);
    if (status != STATUS_OK)
        dataset_manifest_release(manifest);
    return status;
}

static bool is_of(const char *name, const char *removed) {
    size_t length = strlen(removed);
    return strncmp(name, removed, length) == 0 && (name[length] == '\0' || name[length] == '/');
}

void dataset_manifest_remove(struct dataset_manifest *manifest, const char *name) {
    size_t kept = 0;
    for (size_t i = 0; i < manifest->count; i++)
        if (is_of(manifest->lines[i].name, name))
            free(manifest->lines[i].name);
        else
            manifest->lines[kept++] = manifest->lines[i];
    manifest->count = kept;
}

void dataset_manifest_release(struct dataset_manifest *manifest) {
    for (size_t i = 0; i < manifest->count; i++)
        free(manifest->lines[i].name);
    free(manifest->lines);
    *manifest = (struct dataset_manifest){0};
}
