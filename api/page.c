#include "api/page.h"

#include "api/number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum status page_limit(const struct http_request *request, size_t *limit, struct error *err) {
    const char *text = http_request_query(request, "limit");
    uint64_t value = PAGE_LIMIT;
    if (text && !number_parse_integer(text, 1, PAGE_LIMIT_MAX, &value))
        return error_set(err, STATUS_INVALID_FIELD, "limit is a whole number from 1 to %d.",
                         PAGE_LIMIT_MAX);
    *limit = (size_t)value;
    return STATUS_OK;
}

/* Letters, digits and the four other unreserved characters stand for themselves (RFC 3986). */
static void write_escaped(FILE *stream, const char *text) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (; *text; text++)
        if (strchr(plain, *text))
            fputc(*text, stream);
        else
            fprintf(stream, "%%%02X", (unsigned char)*text);
}

static json_t *next_json(const struct http_request *request, const char *path, const char *cursor) {
    if (!cursor)
        return json_null();
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return NULL;
    fprintf(stream, "%s?after=", path);
    write_escaped(stream, cursor);
    const char *const *name = http_request_endpoint(request)->query;
    for (; name && *name; name++) {
        const char *value = strcmp(*name, "after") != 0 ? http_request_query(request, *name) : NULL;
        if (value) {
            fprintf(stream, "&%s=", *name);
            write_escaped(stream, value);
        }
    }
    json_t *next = fclose(stream) == 0 ? json_string(text) : NULL;
    free(text);
    return next;
}

json_t *page_json(const struct http_request *request, const char *path, json_t *data,
                  const char *cursor) {
    return json_pack("{s:s, s:o, s:b, s:o}", "object", "list", "data", data, "has_more",
                     cursor != NULL, "next", next_json(request, path, cursor));
}
