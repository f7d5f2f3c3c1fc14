/* Archives for tests, written byte by byte (POSIX.1-1988 ustar), so that they may be as wrong as a
 * test wants them; compressed by libarchive. */
#ifndef FACEPAIR_TESTS_TAR_FILE_H
#define FACEPAIR_TESTS_TAR_FILE_H

#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAR_BLOCK = 512 };

struct tar_file {
    char *bytes;
    size_t size, capacity;
};

static inline void tar_append(struct tar_file *tar, const void *bytes, size_t size) {
    while (tar->size + size > tar->capacity) {
        tar->capacity = tar->capacity ? 2 * tar->capacity : 65536;
        tar->bytes = realloc(tar->bytes, tar->capacity);
        assert(tar->bytes);
    }
    memcpy(tar->bytes + tar->size, bytes, size);
    tar->size += size;
}

/* A header with this type flag ('0' a file, '5' a folder, '1' and '2' links, …) that announces
 * `size` bytes. */
static inline void tar_header(struct tar_file *tar, char type, const char *name, const char *link,
                              uint64_t size) {
    char block[TAR_BLOCK] = {0};
    assert(strlen(name) <= 100 && strlen(link) <= 100);
    memcpy(block, name, strlen(name));
    snprintf(block + 100, 8, "%07o", 0644u);
    snprintf(block + 108, 8, "%07o", 0u);
    snprintf(block + 116, 8, "%07o", 0u);
    snprintf(block + 124, 13, "%011llo", (unsigned long long)(size & 077777777777));
    snprintf(block + 136, 12, "%011o", 0u);
    memset(block + 148, ' ', 8);
    block[156] = type;
    memcpy(block + 157, link, strlen(link));
    memcpy(block + 257, "ustar\00000", 8);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof block; i++)
        sum += (unsigned char)block[i];
    snprintf(block + 148, 8, "%06o", sum);
    tar_append(tar, block, sizeof block);
}

static inline void tar_add(struct tar_file *tar, const char *name, const void *bytes, size_t size) {
    static const char zeros[TAR_BLOCK];
    tar_header(tar, '0', name, "", size);
    tar_append(tar, bytes, size);
    tar_append(tar, zeros, (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}

static inline void tar_add_text(struct tar_file *tar, const char *name, const char *text) {
    tar_add(tar, name, text, strlen(text));
}

static inline void tar_end(struct tar_file *tar) {
    static const char zeros[2 * TAR_BLOCK];
    tar_append(tar, zeros, sizeof zeros);
}

static inline void tar_release(struct tar_file *tar) {
    free(tar->bytes);
    *tar = (struct tar_file){0};
}

/* The tar as "gzip" or "zstd" makes it; "none" copies. */
static inline struct tar_file tar_compressed(const struct tar_file *tar, const char *filter) {
    struct tar_file packed = {.capacity = tar->size + 65536};
    packed.bytes = malloc(packed.capacity);
    struct archive *archive = archive_write_new();
    struct archive_entry *entry = NULL;
    assert(packed.bytes && archive);
    archive_write_set_format_raw(archive);
    if (strcmp(filter, "none") == 0)
        archive_write_add_filter_none(archive);
    else
        archive_write_add_filter_by_name(archive, filter);
    archive_write_set_bytes_in_last_block(archive, 1);
    archive_write_open_memory(archive, packed.bytes, packed.capacity, &packed.size);
    entry = archive_entry_new();
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_write_header(archive, entry);
    archive_write_data(archive, tar->bytes, tar->size);
    archive_entry_free(entry);
    archive_write_free(archive);
    return packed;
}

#endif
