#include "server/http/connection.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const struct http_application *http_request_application(const struct http_request *request) {
    return request->listener->application;
}

const struct http_endpoint *http_request_endpoint(const struct http_request *request) {
    return request->endpoint;
}

const char *http_request_id(const struct http_request *request) { return request->id; }

const char *http_request_header(const struct http_request *request, const char *name) {
    return MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);
}

const char *http_request_parameter(const struct http_request *request) {
    return request->parameter[0][0] ? request->parameter[0] : NULL;
}

const char *http_request_second_parameter(const struct http_request *request) {
    return request->parameter[1][0] ? request->parameter[1] : NULL;
}

const char *http_request_query(const struct http_request *request, const char *name) {
    for (size_t i = 0; i < request->parameters_count; i++)
        if (strcmp(request->parameters[i].name, name) == 0)
            return request->parameters[i].value;
    return NULL;
}

unsigned http_request_body_kind(const struct http_request *request) { return request->body_kind; }

size_t http_request_parts(const struct http_request *request, const struct http_part **parts) {
    if (request->multipart)
        return multipart_parts(request->multipart, parts);
    *parts = NULL;
    return 0;
}

const uint8_t *http_request_body(const struct http_request *request, size_t *size) {
    *size = request->json.size;
    return request->json.data;
}

uint64_t http_request_started_us(const struct http_request *request) { return request->started_us; }

uint64_t http_request_received_us(const struct http_request *request) {
    return request->received_us;
}

unsigned http_request_listener_role(const struct http_request *request) {
    return request->listener->options.role;
}

const struct http_listener_options *
http_request_listener_options(const struct http_request *request) {
    return &request->listener->options;
}

void http_request_set_caller(struct http_request *request, const char *caller, unsigned rights) {
    snprintf(request->caller, sizeof request->caller, "%s", caller);
    request->rights = rights;
}

const char *http_request_caller(const struct http_request *request) { return request->caller; }

const char *http_request_certificate(const struct http_request *request) {
    return request->certificate ? request->certificate : "";
}

unsigned http_request_rights(const struct http_request *request) { return request->rights; }

bool http_request_authorized(const struct http_request *request) { return request->authorized; }

void http_request_set_retry_after(struct http_request *request, unsigned seconds) {
    request->retry_after_s = seconds;
}

unsigned http_request_retry_after(const struct http_request *request) {
    return request->retry_after_s;
}

void http_request_set_state(struct http_request *request, void *state) { request->state = state; }

void *http_request_state(const struct http_request *request) { return request->state; }

/* The connection is suspended by exchange.c once `finish` has returned without a reply. */
void http_request_suspend(struct http_request *request) {
    assert(request->phase == PHASE_APPLICATION && !request->replied);
    request->suspend_wanted = true;
}

bool http_request_replied(const struct http_request *request) { return request->replied; }

bool http_request_client_left(const struct http_request *request) { return request->client_left; }

static bool id_well_formed(const char *id) {
    size_t size = strlen(id);
    return size >= 1 && size < sizeof((struct http_request *)0)->id &&
           size == strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-");
}

void http_request_identify(struct http_request *request) {
    const char *sent = http_request_header(request, "X-Request-Id");
    if (sent && id_well_formed(sent)) {
        memcpy(request->id, sent, strlen(sent) + 1);
        return;
    }
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[16];
    listener_random(request->listener, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        request->id[2 * i] = digits[bytes[i] >> 4];
        request->id[2 * i + 1] = digits[bytes[i] & 15];
    }
}

void http_request_drop_body(struct http_request *request) { body_wipe(request); }
