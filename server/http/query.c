/* The parameters behind a path's question mark. Which there may be stands in the endpoint's table,
 * and a misspelt one must not pass for none: an unknown one is refused, and one that comes twice.
 * Escapes are undone here, unlike those of a path: a parameter chooses no route. */
#include "server/http/connection.h"

#include <stdlib.h>
#include <string.h>

struct reading {
    struct http_request *request;
    enum status status;
    struct error *err;
};

static int hexadecimal(char digit) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = digit ? strchr(digits, digit) : NULL;
    return at ? (int)((at - digits) % 16) : -1;
}

/* False: too long, a broken escape, or a byte that is no text. */
static bool decode(const char *from, char to[HTTP_PARAMETER_MAX + 1]) {
    size_t size = 0;
    for (; *from; from++) {
        int byte = (unsigned char)*from;
        if (*from == '%') {
            int high = hexadecimal(from[1]), low = high < 0 ? -1 : hexadecimal(from[2]);
            if (low < 0)
                return false;
            byte = high * 16 + low;
            from += 2;
        }
        if (byte < 0x20 || byte == 0x7f || size == HTTP_PARAMETER_MAX)
            return false;
        to[size++] = (char)byte;
    }
    to[size] = '\0';
    return true;
}

static const char *find_name(const struct http_endpoint *endpoint, const char *name) {
    const char *const *known = endpoint->query;
    while (known && *known && strcmp(*known, name) != 0)
        known++;
    return known ? *known : NULL;
}

static enum status add(struct http_request *request, const char *name, const char *value,
                       struct error *err) {
    if (!request->endpoint->query)
        return error_set(err, STATUS_INVALID_FIELD, "This path takes no query parameters.");
    const char *known = find_name(request->endpoint, name);
    if (!known)
        return error_set(err, STATUS_UNKNOWN_FIELD, "There is no query parameter %.64s.", name);
    if (http_request_query(request, known))
        return error_set(err, STATUS_DUPLICATE_FIELD, "The query parameter %s stands there twice.",
                         known);
    if (!request->parameters)
        request->parameters = calloc(HTTP_QUERY_MAX, sizeof *request->parameters);
    if (!request->parameters)
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    struct query_parameter *parameter = &request->parameters[request->parameters_count];
    if (!decode(value ? value : "", parameter->value))
        return error_set(err, STATUS_INVALID_FIELD,
                         "The query parameter %s is not text of at most %d bytes.", known,
                         HTTP_PARAMETER_MAX);
    parameter->name = known;
    request->parameters_count++;
    return STATUS_OK;
}

static enum MHD_Result take(void *cls, enum MHD_ValueKind kind, const char *name,
                            const char *value) {
    (void)kind;
    struct reading *reading = cls;
    reading->status = add(reading->request, name, value, reading->err);
    return reading->status == STATUS_OK ? MHD_YES : MHD_NO;
}

enum status query_read(struct http_request *request, struct error *err) {
    struct reading reading = {.request = request, .err = err, .status = STATUS_OK};
    if (request->query)
        MHD_get_connection_values(request->mhd, MHD_GET_ARGUMENT_KIND, take, &reading);
    return reading.status;
}
