#include "server/http/connection.h"

#include <stdlib.h>

enum status body_begin(struct http_request *request, struct error *err) {
    struct spare *spare = request->listener->spare;
    if (request->body_kind == HTTP_BODY_JSON)
        request->json =
            (struct buffer){.size_max = request->endpoint->body->json_bytes_max, .spare = spare};
    if (request->body_kind != HTTP_BODY_MULTIPART)
        return STATUS_OK;
    request->multipart =
        multipart_create(request->boundary, request->endpoint->body, request->declared, spare);
    return request->multipart ? STATUS_OK : error_set(err, STATUS_INTERNAL, "Out of memory.");
}

static enum status json_take(struct http_request *request, const char *data, size_t size,
                             struct error *err) {
    switch (buffer_append(&request->json, (const uint8_t *)data, size, (size_t)request->declared)) {
    case BUFFER_OK:
        return STATUS_OK;
    case BUFFER_NO_MEMORY:
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    case BUFFER_FULL:
        break;
    }
    return error_set(err, STATUS_BODY_TOO_LARGE, "The body may have %zu bytes.",
                     request->json.size_max);
}

enum status body_take(struct http_request *request, const char *data, size_t size,
                      struct error *err) {
    if (request->body_kind == HTTP_BODY_JSON)
        return json_take(request, data, size, err);
    size_t most = request->endpoint->body->multipart_bytes_max;
    if (request->body_bytes > most) /* chunked: nothing was declared */
        return error_set(err, STATUS_BODY_TOO_LARGE, "The body may have %zu bytes.", most);
    return multipart_feed(request->multipart, (const uint8_t *)data, size, err);
}

enum status body_end(struct http_request *request, struct error *err) {
    return request->multipart ? multipart_finish(request->multipart, err) : STATUS_OK;
}

void body_wipe(struct http_request *request) {
    buffer_wipe(&request->json);
    multipart_destroy(request->multipart);
    request->multipart = NULL;
}
