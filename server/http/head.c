/* What is decided from a request's header alone, before a byte of the body is read, in this order:
 * framing, guards, route, whose address, who calls (certificate, then key), the body's encoding,
 * type and length, the application's admission.
 *
 * Framing comes first because libmicrohttpd accepts much that servers and proxies read in
 * different ways: two Content-Lengths, Content-Length with Transfer-Encoding, two keys, blanks
 * before a colon (the header is then another one to it). Each is refused and its connection closed,
 * so that no byte after such a header is ever taken for a request. What cannot be seen through its
 * API, and is harmless alone: bare LF as a line end, a folded header line (read as one line; with a
 * colon it has no name that could be one), a NUL (the value ends there), chunk extensions
 * (ignored).
 */
#include "server/http/connection.h"

#include "server/clock.h"
#include "server/http/disposition.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct scan {
    unsigned hosts, lengths, encodings, credentials;
    bool malformed, chunked, content_encoding, expects_continue;
    const char *length;
};

static bool is_token(const char *name, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (name[i] <= 0x20 || name[i] == 0x7f || strchr("()<>@,;:\\\"/[]?={}", name[i]))
            return false;
    return size > 0;
}

static bool is_clean(const char *value, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (((unsigned char)value[i] < 0x20 && value[i] != '\t') || value[i] == 0x7f)
            return false;
    return true;
}

static enum MHD_Result scan_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                   size_t name_size, const char *value, size_t value_size) {
    (void)kind;
    struct scan *scan = cls;
    if (!is_token(name, name_size) || !is_clean(value, value_size))
        scan->malformed = true;
    else if (strcasecmp(name, "Host") == 0)
        scan->hosts++;
    else if (strcasecmp(name, "Content-Length") == 0) {
        scan->lengths++;
        scan->length = value;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        scan->encodings++;
        scan->chunked = strcasecmp(value, "chunked") == 0;
    } else if (strcasecmp(name, "Authorization") == 0 || strcasecmp(name, "X-Api-Key") == 0)
        scan->credentials++;
    else if (strcasecmp(name, "Content-Encoding") == 0)
        scan->content_encoding = true;
    else if (strcasecmp(name, "Expect") == 0)
        scan->expects_continue = strcasecmp(value, "100-continue") == 0;
    return MHD_YES;
}

static enum status check_framing(struct http_request *request, const struct scan *scan,
                                 struct error *err) {
    request->close = true; /* unless all is well */
    if (scan->malformed)
        return error_set(err, STATUS_INVALID_HEADER, "A header line is malformed.");
    if (scan->hosts != 1)
        return error_set(err, STATUS_INVALID_HEADER, "Exactly one Host header is needed.");
    if (scan->lengths > 1)
        return error_set(err, STATUS_INVALID_HEADER, "Content-Length is given more than once.");
    if (scan->encodings > 0 && scan->lengths > 0)
        return error_set(err, STATUS_INVALID_HEADER,
                         "Content-Length and Transfer-Encoding exclude each other.");
    if (scan->encodings > 1 || (scan->encodings == 1 && (!scan->chunked || request->http10)))
        return error_set(err, STATUS_INVALID_HEADER,
                         "The only Transfer-Encoding understood is chunked, in HTTP/1.1.");
    if (scan->credentials > 1)
        return error_set(err, STATUS_INVALID_HEADER,
                         "Send one key, once: in Authorization or in X-Api-Key.");
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (info && info->header_size > request->listener->options.header_bytes_max)
        return error_set(err, STATUS_HEADERS_TOO_LARGE, "The header is larger than %zu bytes.",
                         request->listener->options.header_bytes_max);
    request->close = false;
    request->chunked = scan->chunked;
    request->expects_continue = scan->expects_continue;
    request->declared = scan->length ? strtoull(scan->length, NULL, 10) : 0; /* MHD: all digits */
    return STATUS_OK;
}

bool head_has_body(const struct http_request *request) {
    return request->chunked || request->declared > 0;
}

static bool is_multipart(struct http_request *request, const char *type) {
    return media_type_is(type, "multipart/form-data") &&
           media_type_parameter(type, "boundary", request->boundary, sizeof request->boundary);
}

static bool is_json(const char *type) {
    char charset[8];
    return media_type_is(type, "application/json") &&
           (!media_type_has_parameter(type, "charset") ||
            (media_type_parameter(type, "charset", charset, sizeof charset) &&
             strcasecmp(charset, "utf-8") == 0));
}

static enum status check_body(struct http_request *request, struct error *err) {
    const struct http_body_limits *limits = request->endpoint->body;
    if (!limits || limits->kinds == HTTP_BODY_NONE) {
        if (head_has_body(request))
            return error_set(err, STATUS_BODY_TOO_LARGE, "This request takes no body.");
        return STATUS_OK;
    }
    const char *type = http_request_header(request, "Content-Type");
    if (type && (limits->kinds & HTTP_BODY_MULTIPART) && is_multipart(request, type))
        request->body_kind = HTTP_BODY_MULTIPART;
    else if (type && (limits->kinds & HTTP_BODY_JSON) && is_json(type))
        request->body_kind = HTTP_BODY_JSON;
    else
        return error_set(err, STATUS_UNSUPPORTED_MEDIA_TYPE, "The Content-Type must be %s%s%s.",
                         limits->kinds & HTTP_BODY_MULTIPART ? "multipart/form-data with a boundary"
                                                             : "",
                         limits->kinds == (HTTP_BODY_MULTIPART | HTTP_BODY_JSON) ? " or " : "",
                         limits->kinds & HTTP_BODY_JSON ? "application/json" : "");
    size_t most =
        request->body_kind == HTTP_BODY_JSON ? limits->json_bytes_max : limits->multipart_bytes_max;
    if (request->declared > most)
        return error_set(err, STATUS_BODY_TOO_LARGE, "The body may have %zu bytes.", most);
    return STATUS_OK;
}

static enum status check_stream(struct http_request *request, struct error *err) {
    const struct http_body_limits *limits = request->endpoint->body;
    const char *type = http_request_header(request, "Content-Type");
    const char *const *known = limits->stream_types;
    while (type && *known && !media_type_is(type, *known))
        known++;
    if (type && !*known)
        return error_set(err, STATUS_UNSUPPORTED_MEDIA_TYPE,
                         "The Content-Type must be %s, or something like it.",
                         limits->stream_types[0]);
    request->body_kind = HTTP_BODY_STREAM;
    if (request->declared > limits->stream_bytes_max)
        return error_set(err, STATUS_BODY_TOO_LARGE, "The body may have %" PRIu64 " bytes.",
                         limits->stream_bytes_max);
    return STATUS_OK;
}

static void note_client(struct http_request *request) {
    const struct http_listener *listener = request->listener;
    if (listener->clients || listener->options.addresses.logged)
        request->client = forwarded_client(request);
}

/* Who may call and may not is found out as often as the address may ask. */
static enum status check_address(struct http_request *request, struct error *err) {
    struct http_listener *listener = request->listener;
    unsigned wait_s;
    if (!listener->clients ||
        clients_may_ask(listener->clients, &request->client, clock_monotonic_us(), &wait_s))
        return STATUS_OK;
    http_request_set_retry_after(request, wait_s);
    listener_rejected(listener, "address_rate");
    return error_set(err, STATUS_RATE_LIMITED,
                     "The limit of requests from one address is reached; try again after "
                     "Retry-After seconds.");
}

static bool is_preflight(const struct http_request *request) {
    return strcmp(request->method, "OPTIONS") == 0 && request->allow[0] &&
           guard_allowed_origin(request) &&
           http_request_header(request, "Access-Control-Request-Method");
}

enum status head_check(struct http_request *request, struct error *err) {
    struct scan scan = {0};
    MHD_get_connection_values_n(request->mhd, MHD_HEADER_KIND, scan_header, &scan);
    enum status status = check_framing(request, &scan, err);
    if (status != STATUS_OK)
        return status;
    note_client(request);
    struct error route_err;
    enum status route = route_find(request, &route_err);
    bool probe = request->endpoint && request->endpoint->probe;
    if (!probe && request->listener->application->guard_hosts) {
        status = guard_check(request, err);
        if (status != STATUS_OK)
            return status;
    }
    if (!probe) {
        status = check_address(request, err);
        if (status != STATUS_OK)
            return status;
    }
    if (route != STATUS_OK && is_preflight(request)) {
        request->preflight = true;
        return STATUS_OK;
    }
    if (route != STATUS_OK) {
        *err = route_err;
        return route;
    }
    if (!probe) {
        status = peer_check(request, err);
        if (status != STATUS_OK)
            return status;
    }
    if (!probe && request->listener->application->authorize) {
        status = request->listener->application->authorize(request, err);
        if (status != STATUS_OK)
            return status;
    }
    request->authorized = true;
    status = query_read(request, err);
    if (status != STATUS_OK)
        return status;
    if (scan.content_encoding)
        return error_set(err, STATUS_UNSUPPORTED_MEDIA_TYPE, "No Content-Encoding is accepted.");
    status = request->endpoint->take ? check_stream(request, err) : check_body(request, err);
    if (status == STATUS_OK && request->endpoint->admit)
        status = request->endpoint->admit(request, err);
    return status;
}
