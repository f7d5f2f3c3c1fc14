/* Strings are skipped by memchr: nearly all of a body is two base64 strings. The next quote and the
 * next backslash are searched apart and each is remembered until passed, so a hostile string of
 * backslashes is still read a constant number of times. */
#include "api/json_scan.h"

#include <string.h>

/* text[start] is the byte after an opening quote; the index of the closing one, or size. */
static size_t string_end(const char *text, size_t size, size_t start) {
    size_t at = start;
    while (at < size) {
        const char *quote = memchr(text + at, '"', size - at);
        size_t end = quote ? (size_t)(quote - text) : size;
        for (;;) {
            const char *escape = at < end ? memchr(text + at, '\\', end - at) : NULL;
            if (!escape) {
                if (at <= end)
                    return end;
                break; /* the quote was escaped */
            }
            at = (size_t)(escape - text) + 2;
        }
    }
    return size;
}

static enum status too_many(size_t most, struct error *err) {
    return error_set(err, STATUS_INVALID_JSON, "The JSON text has more than %zu values.", most);
}

enum status json_scan(const char *text, size_t size, size_t values_max, struct json_scan *scan,
                      struct error *err) {
    *scan = (struct json_scan){.values = 1};
    size_t depth = 0;
    struct json_key last = {0};
    for (size_t i = 0; i < size; i++) {
        switch (text[i]) {
        case '"': {
            size_t end = string_end(text, size, i + 1);
            last = (struct json_key){text + i + 1, end - i - 1};
            i = end;
            continue;
        }
        case ':':
            if (depth != 1 || !last.text)
                continue;
            if (scan->keys_count == SCAN_MEMBERS_MAX)
                return too_many(SCAN_MEMBERS_MAX, err);
            scan->keys[scan->keys_count++] = last;
            continue;
        case '{':
        case '[':
            if (++depth > SCAN_DEPTH_MAX)
                return error_set(err, STATUS_INVALID_JSON,
                                 "The JSON text is nested deeper than %d levels.", SCAN_DEPTH_MAX);
            scan->values++;
            break;
        case ',':
            scan->values++;
            break;
        case '}':
        case ']':
            if (depth > 0)
                depth--;
            continue;
        default:
            continue;
        }
        if (scan->values > values_max)
            return too_many(values_max, err);
    }
    return STATUS_OK;
}

const struct json_key *json_scan_duplicate(const struct json_scan *scan) {
    for (size_t i = 0; i < scan->keys_count; i++)
        for (size_t k = 0; k < i; k++)
            if (scan->keys[i].size == scan->keys[k].size &&
                memcmp(scan->keys[i].text, scan->keys[k].text, scan->keys[i].size) == 0)
                return &scan->keys[i];
    return NULL;
}
