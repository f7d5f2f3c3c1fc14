/* A look over JSON text before a parser builds a tree of it: [0,0,0,…] would take twenty times the
 * body's memory, and [[[[… as much stack as it is deep. Only structure is counted; whether the text
 * is JSON at all is the parser's to say. */
#ifndef FACEPAIR_API_JSON_SCAN_H
#define FACEPAIR_API_JSON_SCAN_H

#include "server/status.h"

#include <stddef.h>

enum { SCAN_DEPTH_MAX = 8, SCAN_MEMBERS_MAX = 64 };

/* The text of a member's name as it stands between its quotes, in the outermost object. */
struct json_key {
    const char *text;
    size_t size;
};

struct json_scan {
    size_t values;     /* an upper bound: opening brackets and commas, and one */
    size_t keys_count; /* of the outermost object */
    struct json_key keys[SCAN_MEMBERS_MAX];
};

/* STATUS_INVALID_JSON when deeper than SCAN_DEPTH_MAX, of more than values_max values, or when the
 * outermost object has more than SCAN_MEMBERS_MAX members. */
enum status json_scan(const char *text, size_t size, size_t values_max, struct json_scan *scan,
                      struct error *err);
/* The first key that stands there twice; NULL: none does, letter for letter. */
const struct json_key *json_scan_duplicate(const struct json_scan *scan);

#endif
