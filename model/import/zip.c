/* APPNOTE.TXT 6.3.9 (PKWARE), sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14 and
 * 4.3.15 (ZIP64 end and its locator), 4.3.16 (end), 4.5.3 (ZIP64 extra field). All numbers are
 * little-endian and unaligned. */
#include "model/import/zip.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR64_BYTES = 20,
    COMMENT_MAX = 65535,
    EXTRA_ZIP64 = 1,
    FLAG_ENCRYPTED = 1
};
#define SIGNATURE_LOCAL 0x04034b50u
#define SIGNATURE_CENTRAL 0x02014b50u
#define SIGNATURE_END 0x06054b50u
#define SIGNATURE_END64 0x06064b50u
#define SIGNATURE_LOCATOR64 0x07064b50u
#define IN_ZIP64 0xffffffffu

struct zip {
    int fd;
    uint64_t bytes;
    char path[160]; /* for sentences */
    size_t count;
    struct zip_entry *entries; /* by name */
    char *names;
};

/* Where the central directory stands. */
struct directory {
    uint64_t count, bytes, offset;
};

static uint64_t number(const uint8_t *at, int bytes) {
    uint64_t value = 0;
    for (int i = bytes; i > 0; i--)
        value = value << 8 | at[i - 1];
    return value;
}
static uint16_t number16(const uint8_t *at) { return (uint16_t)number(at, 2); }
static uint32_t number32(const uint8_t *at) { return (uint32_t)number(at, 4); }
static uint64_t number64(const uint8_t *at) { return number(at, 8); }

static enum status fault(const struct zip *zip, struct error *err, const char *what) {
    return error_set(err, STATUS_INTERNAL, "%.150s: %.90s", zip->path, what);
}

static enum status read_at(const struct zip *zip, uint64_t offset, void *buffer, uint64_t size,
                           struct error *err) {
    if (offset > zip->bytes || size > zip->bytes - offset)
        return fault(zip, err, "the ZIP archive points beyond its end");
    uint8_t *to = buffer;
    while (size > 0) {
        ssize_t got = pread(zip->fd, to, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fault(zip, err, got < 0 ? strerror(errno) : "the file shrank");
        to += got;
        offset += (uint64_t)got;
        size -= (uint64_t)got;
    }
    return STATUS_OK;
}

/* The end record is the last thing in the file but for a comment whose length it tells. */
static enum status find_end(const struct zip *zip, uint64_t *offset, uint8_t end[END_BYTES],
                            struct error *err) {
    uint64_t size = zip->bytes < END_BYTES + COMMENT_MAX ? zip->bytes : END_BYTES + COMMENT_MAX;
    uint8_t *tail = malloc(size + 1);
    if (!tail)
        return fault(zip, err, "out of memory");
    enum status status = read_at(zip, zip->bytes - size, tail, size, err);
    bool found = false;
    for (uint64_t i = size; status == STATUS_OK && !found && i-- > 0;) {
        if (size - i < END_BYTES || number32(tail + i) != SIGNATURE_END ||
            number16(tail + i + 20) != size - i - END_BYTES)
            continue;
        memcpy(end, tail + i, END_BYTES);
        *offset = zip->bytes - size + i;
        found = true;
    }
    free(tail);
    if (status == STATUS_OK && !found)
        return fault(zip, err, "not a ZIP archive, as torch.save writes since version 1.6");
    return status;
}

static enum status find_directory(const struct zip *zip, struct directory *at, struct error *err) {
    uint8_t end[END_BYTES] = {0}, locator[LOCATOR64_BYTES], end64[END64_BYTES];
    uint64_t offset = 0;
    enum status status = find_end(zip, &offset, end, err);
    if (status != STATUS_OK)
        return status;
    *at = (struct directory){
        .count = number16(end + 10), .bytes = number32(end + 12), .offset = number32(end + 16)};
    if (offset >= LOCATOR64_BYTES) {
        status = read_at(zip, offset - LOCATOR64_BYTES, locator, LOCATOR64_BYTES, err);
        if (status != STATUS_OK)
            return status;
        if (number32(locator) == SIGNATURE_LOCATOR64) {
            status = read_at(zip, number64(locator + 8), end64, END64_BYTES, err);
            if (status != STATUS_OK)
                return status;
            if (number32(end64) != SIGNATURE_END64)
                return fault(zip, err, "the ZIP archive's ZIP64 end record is missing");
            *at = (struct directory){.count = number64(end64 + 32),
                                     .bytes = number64(end64 + 40),
                                     .offset = number64(end64 + 48)};
        }
    }
    if (at->count > ZIP_ENTRIES_MAX || at->bytes > ZIP_DIRECTORY_MAX)
        return fault(zip, err, "the ZIP archive has too many entries");
    return STATUS_OK;
}

/* The 64-bit values that did not fit their 32-bit fields, in the order the standard gives. */
static bool read_zip64(const uint8_t *extra, uint32_t extra_bytes, uint64_t *const fields[3]) {
    while (extra_bytes >= 4) {
        uint32_t id = number16(extra), size = number16(extra + 2);
        extra += 4;
        extra_bytes -= 4;
        if (size > extra_bytes)
            return false;
        for (int i = 0; id == EXTRA_ZIP64 && i < 3; i++) {
            if (*fields[i] != IN_ZIP64)
                continue;
            if (size < 8)
                return false;
            *fields[i] = number64(extra);
            extra += 8;
            extra_bytes -= 8;
            size -= 8;
        }
        extra += size;
        extra_bytes -= size;
    }
    return true;
}

/* One entry of the central directory at *at; what is wrong with it, or NULL. Its name goes to
 * *names. */
static const char *read_entry(const uint8_t **at, const uint8_t *end, char **names,
                              struct zip_entry *entry) {
    const uint8_t *central = *at;
    if (end - central < CENTRAL_BYTES || number32(central) != SIGNATURE_CENTRAL)
        return "the ZIP archive's directory is damaged";
    uint32_t name = number16(central + 28), extra = number16(central + 30),
             comment = number16(central + 32);
    if (name + extra + comment > (size_t)(end - central - CENTRAL_BYTES))
        return "the ZIP archive's directory is damaged";
    const uint8_t *text = central + CENTRAL_BYTES;
    if (number16(central + 8) & FLAG_ENCRYPTED || number16(central + 10) != 0)
        return "an entry is compressed or encrypted, which torch.save never does";
    if (memchr(text, 0, name))
        return "an entry's name holds a NUL";
    uint64_t packed = number32(central + 20);
    entry->size = number32(central + 24);
    entry->header = number32(central + 42);
    uint64_t *const fields[] = {&entry->size, &packed, &entry->header};
    if (!read_zip64(text + name, extra, fields) || packed != entry->size)
        return "an entry's sizes contradict each other";
    memcpy(*names, text, name);
    (*names)[name] = '\0';
    entry->name = *names;
    *names += name + 1;
    *at = text + name + extra + comment;
    return NULL;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct zip_entry *)a)->name, ((const struct zip_entry *)b)->name);
}

static enum status read_entries(struct zip *zip, const uint8_t *central, uint64_t bytes,
                                uint64_t count, struct error *err) {
    const uint8_t *end = central + bytes;
    /* A name and its NUL are shorter than the entry they stand in. */
    zip->entries = calloc(count + 1, sizeof(*zip->entries));
    zip->names = malloc(bytes + 1);
    if (!zip->entries || !zip->names)
        return fault(zip, err, "out of memory");
    char *names = zip->names;
    for (; zip->count < count; zip->count++) {
        struct zip_entry *entry = &zip->entries[zip->count];
        const char *wrong = read_entry(&central, end, &names, entry);
        if (!wrong && entry->size > zip->bytes)
            wrong = "an entry is larger than the file";
        if (wrong)
            return fault(zip, err, wrong);
    }
    qsort(zip->entries, count, sizeof(*zip->entries), by_name);
    for (size_t i = 1; i < count; i++)
        if (strcmp(zip->entries[i - 1].name, zip->entries[i].name) == 0)
            return fault(zip, err, "two entries have the same name");
    return STATUS_OK;
}

static enum status read_directory(struct zip *zip, struct error *err) {
    struct directory at;
    enum status status = find_directory(zip, &at, err);
    if (status != STATUS_OK)
        return status;
    uint8_t *central = malloc(at.bytes + 1);
    if (!central)
        return fault(zip, err, "out of memory");
    status = read_at(zip, at.offset, central, at.bytes, err);
    if (status == STATUS_OK)
        status = read_entries(zip, central, at.bytes, at.count, err);
    free(central);
    return status;
}

enum status zip_open(const char *path, struct zip **result, struct error *err) {
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang */
    if (fd < 0)
        return error_set(err, STATUS_INTERNAL, "%.150s: %s", path, strerror(errno));
    struct zip *zip = calloc(1, sizeof(*zip));
    if (!zip || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        close(fd);
        free(zip);
        return error_set(err, STATUS_INTERNAL, "%.150s: not a regular file", path);
    }
    zip->fd = fd;
    zip->bytes = (uint64_t)about.st_size;
    memcpy(zip->path, path, strnlen(path, sizeof(zip->path) - 1));
    enum status status = read_directory(zip, err);
    if (status == STATUS_OK)
        *result = zip;
    else
        zip_close(zip);
    return status;
}

void zip_close(struct zip *zip) {
    if (!zip)
        return;
    close(zip->fd);
    free(zip->entries);
    free(zip->names);
    free(zip);
}

uint64_t zip_file_bytes(const struct zip *zip) { return zip->bytes; }
size_t zip_count(const struct zip *zip) { return zip->count; }
const struct zip_entry *zip_at(const struct zip *zip, size_t index) { return &zip->entries[index]; }

const struct zip_entry *zip_find(const struct zip *zip, const char *name) {
    const struct zip_entry wanted = {.name = name};
    return bsearch(&wanted, zip->entries, zip->count, sizeof(*zip->entries), by_name);
}

enum status zip_read(const struct zip *zip, const struct zip_entry *entry, uint64_t offset,
                     void *content, uint64_t size, struct error *err) {
    uint8_t local[LOCAL_BYTES] = {0};
    assert(offset <= entry->size && size <= entry->size - offset);
    enum status status = read_at(zip, entry->header, local, LOCAL_BYTES, err);
    if (status != STATUS_OK)
        return status;
    if (number32(local) != SIGNATURE_LOCAL)
        return fault(zip, err, "an entry of the ZIP archive is not where its directory says");
    /* What read_at read begins inside the file, so this sum is far from overflowing. */
    uint64_t content_at = entry->header + LOCAL_BYTES + number16(local + 26) + number16(local + 28);
    return read_at(zip, content_at + offset, content, size, err);
}
