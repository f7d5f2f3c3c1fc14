/* A reader for exactly the JSON that safetensors allows in its header, in one pass and constant
 * stack: an object of objects with three known keys, and "__metadata__", an object of strings that
 * is checked and skipped. A general JSON parser would build a tree of the whole (up to 16 MiB of
 * it) only for this code to walk it once; here nothing is allocated but the entries.
 *
 * Stricter than JSON where the format's own writer never goes: numbers are plain decimal integers,
 * tensor names have no escapes, a key is given once.
 */
#include "model/safetensors_header.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct scanner {
    const char *at, *end;
    struct error *err;
};

static bool fail(struct scanner *scanner, const char *what) {
    error_set(scanner->err, STATUS_INTERNAL, "safetensors header: %s", what);
    return false;
}

static void skip_space(struct scanner *scanner) {
    while (scanner->at < scanner->end && strchr(" \t\r\n", *scanner->at) && *scanner->at)
        scanner->at++;
}

/* The next character that is not white space, without taking it; 0 at the end. */
static char peek(struct scanner *scanner) {
    skip_space(scanner);
    return scanner->at < scanner->end ? *scanner->at : '\0';
}

static bool take(struct scanner *scanner, char wanted) {
    if (peek(scanner) != wanted || wanted == '\0')
        return fail(scanner, "not the JSON that the format allows");
    scanner->at++;
    return true;
}

/* After a member: true and *more when a comma follows, true and not *more at `close`. */
static bool take_separator(struct scanner *scanner, char close, bool *more) {
    *more = peek(scanner) == ',';
    return take(scanner, *more ? ',' : close);
}

/* A string without escapes or control characters; *text points into the header. */
static bool take_plain_string(struct scanner *scanner, const char **text, size_t *length) {
    if (!take(scanner, '"'))
        return false;
    *text = scanner->at;
    while (scanner->at < scanner->end && *scanner->at != '"') {
        if (*scanner->at == '\\' || (unsigned char)*scanner->at < 0x20)
            return fail(scanner, "a name or type with an escape or a control character");
        scanner->at++;
    }
    *length = (size_t)(scanner->at - *text);
    return take(scanner, '"');
}

/* A string of the metadata: escapes are stepped over, not decoded. */
static bool skip_string(struct scanner *scanner) {
    if (!take(scanner, '"'))
        return false;
    while (scanner->at < scanner->end && *scanner->at != '"') {
        if (*scanner->at == '\\')
            scanner->at++;
        if (scanner->at < scanner->end)
            scanner->at++;
    }
    return take(scanner, '"');
}

static bool skip_metadata(struct scanner *scanner) {
    if (!take(scanner, '{'))
        return false;
    bool more = peek(scanner) != '}';
    if (!more)
        return take(scanner, '}');
    while (more)
        if (!skip_string(scanner) || !take(scanner, ':') || !skip_string(scanner) ||
            !take_separator(scanner, '}', &more))
            return false;
    return true;
}

static bool take_integer(struct scanner *scanner, uint64_t *value) {
    char c = peek(scanner);
    bool zero = c == '0';
    *value = 0;
    if (c < '0' || c > '9')
        return fail(scanner, "a size or offset that is not a whole number");
    while (scanner->at < scanner->end && *scanner->at >= '0' && *scanner->at <= '9') {
        if (zero && *value == 0 && *scanner->at != '0')
            return fail(scanner, "a number with a leading zero");
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, (uint64_t)(*scanner->at - '0'), value))
            return fail(scanner, "a number past 64 bits");
        scanner->at++;
    }
    return true;
}

/* [n, n, …] of at most max numbers. */
static bool take_integers(struct scanner *scanner, uint64_t *values, uint32_t max,
                          uint32_t *count) {
    *count = 0;
    if (!take(scanner, '['))
        return false;
    bool more = peek(scanner) != ']';
    if (!more)
        return take(scanner, ']');
    while (more) {
        if (*count == max)
            return fail(scanner, "too many numbers in a shape or range");
        if (!take_integer(scanner, &values[(*count)++]) || !take_separator(scanner, ']', &more))
            return false;
    }
    return true;
}

static bool equals(const char *text, size_t length, const char *word) {
    return length == strlen(word) && memcmp(text, word, length) == 0;
}

enum { SEEN_DTYPE = 1, SEEN_SHAPE = 2, SEEN_OFFSETS = 4, SEEN_ALL = 7 };

/* One "key": value of a tensor's object; *seen gathers which. */
static bool take_property(struct scanner *scanner, struct safetensors_header_entry *entry,
                          unsigned *seen) {
    const char *key, *dtype;
    size_t key_length, dtype_length;
    uint64_t range[2];
    uint32_t numbers;
    unsigned property;

    if (!take_plain_string(scanner, &key, &key_length) || !take(scanner, ':'))
        return false;
    if (equals(key, key_length, "dtype")) {
        property = SEEN_DTYPE;
        if (!take_plain_string(scanner, &dtype, &dtype_length))
            return false;
        if (!equals(dtype, dtype_length, "F32"))
            return fail(scanner, "a tensor that is not F32");
    } else if (equals(key, key_length, "shape")) {
        property = SEEN_SHAPE;
        if (!take_integers(scanner, entry->shape, SAFETENSORS_RANK_MAX, &entry->rank))
            return false;
    } else if (equals(key, key_length, "data_offsets")) {
        property = SEEN_OFFSETS;
        if (!take_integers(scanner, range, 2, &numbers))
            return false;
        if (numbers != 2)
            return fail(scanner, "data_offsets that are not two numbers");
        entry->begin = range[0];
        entry->end = range[1];
    } else {
        return fail(scanner, "an unknown property of a tensor");
    }
    if (*seen & property)
        return fail(scanner, "a property given twice");
    *seen |= property;
    return true;
}

/* Whether the range lies in the data and has exactly the size of the shape. */
static bool check_range(struct scanner *scanner, const struct safetensors_header_entry *entry,
                        uint64_t data_bytes) {
    uint64_t bytes = sizeof(float);
    for (uint32_t i = 0; i < entry->rank; i++)
        if (__builtin_mul_overflow(bytes, entry->shape[i], &bytes))
            return fail(scanner, "a shape past 64 bits");
    if (entry->begin > entry->end || entry->end > data_bytes)
        return fail(scanner, "a tensor outside the file");
    if (entry->end - entry->begin != bytes)
        return fail(scanner, "a tensor whose range is not the size of its shape");
    return true;
}

static bool take_tensor(struct scanner *scanner, const char *name, size_t name_length,
                        uint64_t data_bytes, struct safetensors_header *header) {
    struct safetensors_header_entry entry = {0};
    unsigned seen = 0;
    bool more = true;

    if (name_length == 0 || name_length > SAFETENSORS_NAME_MAX)
        return fail(scanner, "a tensor's name is empty or too long");
    if (!take(scanner, '{'))
        return false;
    while (more)
        if (!take_property(scanner, &entry, &seen) || !take_separator(scanner, '}', &more))
            return false;
    if (seen != SEEN_ALL)
        return fail(scanner, "a tensor without dtype, shape or data_offsets");
    if (!check_range(scanner, &entry, data_bytes))
        return false;

    if (header->count == SAFETENSORS_TENSORS_MAX)
        return fail(scanner, "too many tensors");
    if ((header->count & (header->count - 1)) == 0) { /* full at each power of two */
        size_t capacity = header->count ? 2 * header->count : 1;
        void *grown = realloc(header->entries, capacity * sizeof(*header->entries));
        if (!grown)
            return fail(scanner, "out of memory");
        header->entries = grown;
    }
    entry.name = strndup(name, name_length);
    if (!entry.name)
        return fail(scanner, "out of memory");
    header->entries[header->count++] = entry;
    return true;
}

static bool take_members(struct scanner *scanner, uint64_t data_bytes,
                         struct safetensors_header *header) {
    const char *name;
    size_t name_length;
    bool seen_metadata = false, more;

    if (!take(scanner, '{'))
        return false;
    more = peek(scanner) != '}';
    if (!more && !take(scanner, '}'))
        return false;
    while (more) {
        if (!take_plain_string(scanner, &name, &name_length) || !take(scanner, ':'))
            return false;
        if (equals(name, name_length, "__metadata__")) {
            if (seen_metadata)
                return fail(scanner, "__metadata__ given twice");
            seen_metadata = true;
            if (!skip_metadata(scanner))
                return false;
        } else if (!take_tensor(scanner, name, name_length, data_bytes, header)) {
            return false;
        }
        if (!take_separator(scanner, '}', &more))
            return false;
    }
    skip_space(scanner);
    return scanner->at == scanner->end || fail(scanner, "something after the object");
}

static int by_offset(const void *a, const void *b) {
    const struct safetensors_header_entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static int by_name(const void *a, const void *b) {
    const struct safetensors_header_entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* Every byte of the data belongs to exactly one tensor, and every name to one. Sorts by name. */
static bool check_whole(struct scanner *scanner, uint64_t data_bytes,
                        struct safetensors_header *header) {
    struct safetensors_header_entry *entries = header->entries;
    uint64_t covered = 0;

    if (header->count)
        qsort(entries, header->count, sizeof(*entries), by_offset);
    for (size_t i = 0; i < header->count; i++) {
        if (entries[i].begin != covered)
            return fail(scanner, "tensors that overlap or leave a hole");
        covered = entries[i].end;
    }
    if (covered != data_bytes)
        return fail(scanner, "bytes that belong to no tensor");
    if (header->count)
        qsort(entries, header->count, sizeof(*entries), by_name);
    for (size_t i = 1; i < header->count; i++)
        if (strcmp(entries[i - 1].name, entries[i].name) == 0)
            return fail(scanner, "two tensors of one name");
    return true;
}

enum status safetensors_header_parse(const char *text, size_t length, uint64_t data_bytes,
                                     struct safetensors_header *header, struct error *err) {
    struct scanner scanner = {.at = text, .end = text + length, .err = err};

    *header = (struct safetensors_header){0};
    if (take_members(&scanner, data_bytes, header) && check_whole(&scanner, data_bytes, header))
        return STATUS_OK;
    safetensors_header_release(header);
    return STATUS_INTERNAL;
}

void safetensors_header_release(struct safetensors_header *header) {
    for (size_t i = 0; i < header->count; i++)
        free(header->entries[i].name);
    free(header->entries);
    *header = (struct safetensors_header){0};
}
