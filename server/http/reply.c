/* The answer is made into libmicrohttpd's response at once and queued by exchange.c: either when
 * `finish` returns, or, for a suspended request, when the resumed connection comes round again
 * (queueing on a suspended connection is not part of libmicrohttpd's contract). */
#include "server/http/connection.h"

#include "server/log.h"
#include "server/wipe.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set(struct http_request *request, const char *name, const char *value) {
    MHD_add_response_header(request->response, name, value);
}

static void set_cors(struct http_request *request) {
    if (!request->listener->application->allowed_origins)
        return;
    set(request, "Vary", "Origin");
    const char *origin = guard_allowed_origin(request);
    if (!origin)
        return;
    set(request, "Access-Control-Allow-Origin", origin);
    set(request, "Access-Control-Expose-Headers",
        "X-Request-Id, Server-Timing, Retry-After, Location, ETag");
}

static bool changes_something(const char *method) {
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
           strcmp(method, "DELETE") == 0;
}

/* Another certificate, or another authority for clients', has come into force. */
static bool is_outdated(const struct http_request *request) {
    return request->connection->tls != request->listener->tls;
}

static void set_headers(struct http_request *request, const char *content_type,
                        const struct http_header *headers) {
    set(request, "X-Request-Id", request->id);
    if (content_type)
        set(request, "Content-Type", content_type);
    if (request->response_status >= 400 || changes_something(request->method))
        set(request, "Cache-Control", "no-store");
    if (request->response_status == 405)
        set(request, "Allow", request->allow);
    if (request->close || request->listener->farewell || is_outdated(request))
        set(request, "Connection", "close");
    set_cors(request);
    for (; headers && headers->name; headers++)
        set(request, headers->name, headers->value);
}

static bool is_early(const struct http_request *request) {
    return request->phase == PHASE_BODY && request->body_kind == HTTP_BODY_STREAM;
}

/* With `response` NULL (out of memory) the request is closed without an answer. */
void reply_made(struct http_request *request, struct MHD_Response *response, int status,
                const char *content_type, const struct http_header *headers) {
    assert(!request->replied && "one reply for a request");
    request->replied = true;
    request->response = response;
    request->response_status = (unsigned)status;
    if (response)
        set_headers(request, content_type, headers);
    if (request->suspended && !is_early(request))
        exchange_resume(request);
}

/* All answers but streams: the body is at hand. */
static void reply(struct http_request *request, struct MHD_Response *response, int status,
                  const char *content_type, const struct http_header *headers, const char *bytes,
                  size_t size) {
    if (is_early(request))
        request->close = true;
    reply_made(request, response, status, content_type, headers);
    if (is_early(request))
        early_answer(request, bytes, size);
}

void http_reply_take(struct http_request *request, int status, const char *content_type,
                     char *bytes, size_t size, const struct http_header *headers) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(size, bytes, wipe_and_free);
    if (!response)
        wipe_and_free(bytes);
    reply(request, response, status, content_type, headers, bytes, size);
}

void http_reply_static(struct http_request *request, int status, const char *content_type,
                       const char *bytes, size_t size, const struct http_header *headers) {
    reply(request,
          MHD_create_response_from_buffer(size, (void *)(uintptr_t)bytes, MHD_RESPMEM_PERSISTENT),
          status, content_type, headers, bytes, size);
}

void http_reply_empty(struct http_request *request, int status, const struct http_header *headers) {
    http_reply_static(request, status, NULL, "", 0, headers);
}

void reply_preflight(struct http_request *request) {
    const struct http_header headers[] = {
        {"Access-Control-Allow-Methods", request->allow},
        {"Access-Control-Allow-Headers",
         "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, X-Api-Key, "
         "X-Request-Id, X-Request-Timeout-Ms, traceparent"},
        {"Access-Control-Max-Age", "600"},
        {NULL, NULL}};
    http_reply_empty(request, 204, headers);
}

static const char *method_label(const char *method) {
    static const char *const known[] = {"GET",    "HEAD",  "POST",    "PUT",
                                        "DELETE", "PATCH", "OPTIONS", NULL};
    for (size_t i = 0; known[i]; i++)
        if (strcmp(known[i], method) == 0)
            return known[i];
    return "other";
}

/* W3C Trace Context, version 00: only what is well-formed is written to the log. */
static const char *traceparent(const struct http_request *request) {
    const char *value = http_request_header(request, "traceparent");
    if (!value || strlen(value) != 55 || strncmp(value, "00-", 3) != 0)
        return NULL;
    for (size_t i = 3; i < 55; i++) {
        bool dash = i == 35 || i == 52;
        if (dash ? value[i] != '-' : !strchr("0123456789abcdef", value[i]))
            return NULL;
    }
    return value;
}

static void log_answer(const struct http_request *request, const char *route, const char *method,
                       double total_s) {
    bool probe = request->endpoint && request->endpoint->probe;
    enum log_level level = probe ? LOG_DEBUG : LOG_INFO;
    if (!log_enabled(level))
        return;
    const char *trace = traceparent(request);
    struct log_field known[4] = {{0}}; /* LOG_FIELD_END each */
    size_t count = 0;
    char client[IP_TEXT_SIZE];
    if (request->listener->options.addresses.logged && request->endpoint && !probe) {
        ip_text(&request->client, client);
        known[count++] = LOG_STR("client", client);
    }
    if (request->caller[0])
        known[count++] = LOG_STR("key", request->caller);
    if (http_request_certificate(request)[0])
        known[count++] = LOG_STR("certificate", http_request_certificate(request));
    if (trace)
        known[count++] = LOG_STR("traceparent", trace);
    log_event(level, "request", LOG_STR("request_id", request->id), LOG_STR("method", method),
              LOG_STR("route", route), LOG_INT("status", request->response_status),
              LOG_REAL("total_ms", total_s * 1e3), LOG_INT("bytes_in", request->body_bytes),
              known[0], known[1], known[2], known[3]);
}

void reply_observe(struct http_request *request) {
    struct metrics *metrics = request->listener->application->metrics;
    const char *route = request->endpoint ? request->endpoint->route : "unmatched";
    const char *method = method_label(request->method);
    char code[8];
    snprintf(code, sizeof code, "%u", request->response_status);
    double total_s = (double)(request->answered_us - request->started_us) * 1e-6;
    metrics_add(metrics, METRIC_HTTP_REQUESTS, 1, route, method, code);
    metrics_observe(metrics, METRIC_HTTP_DURATION, total_s, route);
    log_answer(request, route, method, total_s);
    if (request->listener->application->answered)
        request->listener->application->answered(request, request->response_status);
}
