#include "api/problem.h"

#include "api/admission.h"
#include "api/send.h"
#include "model/json.h"
#include "server/http/reply.h"
#include "server/log.h"
#include "server/utf8.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* What is said when there is no memory left to say it. */
static const char NO_MEMORY[] =
    "{\"type\":\"urn:facepair:problem:internal\",\"title\":\"Internal error\",\"status\":500,"
    "\"code\":\"internal\",\"detail\":\"The request failed.\",\"errors\":[{\"code\":\"internal\","
    "\"detail\":\"The request failed.\"}]}";

/* What the client is told. Own words for 500 and above: the cause is for the log. */
static const char *public_detail(const struct fault *fault) {
    switch (fault->status) {
    case STATUS_OVERLOADED:
        return "Too much work is waiting; try again after Retry-After seconds.";
    case STATUS_DRAINING:
        return "The service is shutting down; send the request to another instance.";
    case STATUS_DEADLINE_EXCEEDED:
        return "The deadline of the request passed before its turn came.";
    case STATUS_STORAGE_FULL:
        return "The service cannot store what this request needs; try again later, or at another "
               "instance.";
    case STATUS_INTERNAL:
        return "The request failed for a reason of the service's own; the log has it under this "
               "request_id.";
    default:
        return fault->error.detail[0] ? fault->error.detail : status_title(fault->status);
    }
}

/* A detail may repeat a name that the client sent, and cut it anywhere: each byte that is not UTF-8
 * there is told as a question mark. */
static json_t *detail_text(const struct fault *fault) {
    const char *detail = public_detail(fault);
    char text[sizeof fault->error.detail];
    size_t size = strlen(detail), step;
    uint32_t code_point;
    assert(size < sizeof text);
    memcpy(text, detail, size + 1);
    for (size_t at = 0; at < size; at += step) {
        step = utf8_next(text + at, size - at, &code_point);
        if (step == 0) {
            text[at] = '?';
            step = 1;
        }
    }
    return json_stringn(text, size);
}

/* Text that a client sent need not be UTF-8; jansson refuses what is not, and a field that cannot
 * be named is left out. */
static json_t *error_item(const struct fault *fault) {
    json_t *item =
        json_pack("{s:s, s:o}", "code", status_code(fault->status), "detail", detail_text(fault));
    if (item && fault->field[0])
        (void)json_object_set_new(item, "field", json_string(fault->field));
    return item;
}

static json_t *document(const struct http_request *request, const struct faults *faults) {
    const struct fault *first = &faults->list[0];
    char type[96];
    snprintf(type, sizeof type, "urn:facepair:problem:%s", status_code(first->status));
    json_t *errors = json_array();
    for (size_t i = 0; i < faults->count; i++)
        if (json_array_append_new(errors, error_item(&faults->list[i])) != 0)
            break;
    json_t *root = json_pack("{s:s, s:s, s:i, s:s, s:o, s:s, s:o}", "type", type, "title",
                             status_title(first->status), "status", status_http(first->status),
                             "code", status_code(first->status), "detail", detail_text(first),
                             "request_id", http_request_id(request), "errors", errors);
    if (root && status_http(first->status) == 422 && strncmp(first->field, "image", 5) == 0)
        (void)json_object_set_new(root, "image", json_string(first->field));
    return root;
}

static const char *event_of(enum status status) {
    return status == STATUS_INTERNAL       ? "internal_error"
           : status == STATUS_STORAGE_FULL ? "storage_full"
                                           : NULL;
}

static void log_causes(const struct http_request *request, const struct faults *faults) {
    for (size_t i = 0; i < faults->count; i++) {
        const char *event = event_of(faults->list[i].status);
        if (event)
            log_event(LOG_ERROR, event, LOG_STR("request_id", http_request_id(request)),
                      LOG_STR("detail", faults->list[i].error.detail));
    }
}

/* What an operator asks for waits for the disk, or for an upload or a stream of events to end, and
 * not for photographs: nobody has measured how long that takes. */
static unsigned retry_after_s(const struct http_request *request, const struct faults *faults) {
    const struct service *service = http_request_application(request)->context;
    const struct http_endpoint *endpoint = http_request_endpoint(request);
    if (faults->retry_after_s)
        return faults->retry_after_s;
    if (endpoint && endpoint->listeners == HTTP_ADMIN)
        return PROBLEM_ADMIN_RETRY_S;
    return admission_retry_after_s(service, NULL);
}

void problem_reply_faults(struct http_request *request, const struct faults *faults) {
    assert(faults->count > 0);
    enum status status = faults->list[0].status;
    log_causes(request, faults);
    char retry_after[16];
    struct http_header headers[2] = {{0}};
    if (status == STATUS_OVERLOADED || status == STATUS_DRAINING) {
        snprintf(retry_after, sizeof retry_after, "%u", retry_after_s(request, faults));
        headers[0] = (struct http_header){"Retry-After", retry_after};
    } else if (http_request_retry_after(request)) {
        snprintf(retry_after, sizeof retry_after, "%u", http_request_retry_after(request));
        headers[0] = (struct http_header){"Retry-After", retry_after};
    } else if (status == STATUS_UNAUTHORIZED) {
        headers[0] = (struct http_header){"WWW-Authenticate", "Bearer realm=\"facepair\""};
    }
    (void)json_lacked_memory(); /* for what is told here there may be some again */
    char *text = send_json_text(document(request, faults));
    if (text)
        http_reply_take(request, status_http(status), PROBLEM_CONTENT_TYPE, text, strlen(text),
                        headers);
    else
        http_reply_static(request, 500, PROBLEM_CONTENT_TYPE, NO_MEMORY, sizeof NO_MEMORY - 1,
                          NULL);
}

void problem_reply(struct http_request *request, enum status status, const struct error *err) {
    struct faults faults;
    faults_init(&faults);
    static const struct error none;
    faults_add_error(&faults, status, NULL, err ? err : &none);
    problem_reply_faults(request, &faults);
}
