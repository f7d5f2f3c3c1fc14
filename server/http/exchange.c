/* One exchange as libmicrohttpd drives it: the request line (exchange_begin), the complete header
 * (exchange_handle, no data), pieces of the body (data), the end (no data), and, after a suspended
 * request was resumed, the end once more. exchange_completed comes in every case.
 *
 * An answer queued before the end of the body closes its connection, and one queued in the middle
 * of it is not accepted at all. So a refusal that is known from the header waits for the end of
 * a small body, which is read and dropped, and the connection stays usable; before a large one, or
 * one whose end is not declared, or one that the client holds back (Expect: 100-continue), it is
 * sent at once and what still comes is dropped after it (linger.c). A fault found within
 * the body always waits for its end: at most what the limits allow is dropped. A stream has no
 * such limit worth waiting for: its fault is answered past libmicrohttpd (early.c).
 */
#include "server/http/connection.h"

#include "server/clock.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void *exchange_begin(void *cls, const char *uri, struct MHD_Connection *mhd) {
    struct http_listener *listener = cls;
    struct connection *connection =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    struct http_request *request = connection ? calloc(1, sizeof *request) : NULL;
    if (!request)
        return NULL; /* exchange_handle() closes the connection */
    request->listener = listener;
    request->connection = connection;
    request->mhd = mhd;
    request->started_us =
        connection->heard_us ? connection->heard_us : clock_monotonic_us(); /* all came at once */
    const char *question = uri ? strchr(uri, '?') : NULL;
    request->query = question && question[1] != '\0';
    connection->request = request;
    connection->greeted = true;
    metrics_add(listener->application->metrics, METRIC_HTTP_IN_FLIGHT, 1);
    return request;
}

void exchange_suspend(struct http_request *request) {
    request->suspended = true;
    LIST_INSERT_HEAD(&request->listener->suspended, request, suspended_entry);
    MHD_suspend_connection(request->mhd);
}

void exchange_resume(struct http_request *request) {
    request->suspended = false;
    LIST_REMOVE(request, suspended_entry);
    MHD_resume_connection(request->mhd);
    listener_wake(request->listener);
}

/* Hands the answer to libmicrohttpd. */
static enum MHD_Result answer(struct http_request *request) {
    request->phase = PHASE_ANSWER;
    request->answered_us = clock_monotonic_us();
    reply_observe(request);
    enum MHD_Result queued =
        MHD_queue_response(request->mhd, request->response_status, request->response);
    MHD_destroy_response(request->response);
    request->response = NULL;
    return queued;
}

static enum MHD_Result refuse(struct http_request *request) {
    request->listener->application->reply_problem(request, request->failure, &request->error);
    if (!request->response)
        return MHD_NO; /* out of memory */
    return answer(request);
}

static bool answer_before_body(const struct http_request *request) {
    return request->close || request->chunked || request->expects_continue ||
           request->declared > HTTP_DROP_BYTES_MAX;
}

static enum MHD_Result head_arrived(struct http_request *request, const char *url,
                                    const char *method, const char *version) {
    request->head_seen = true;
    request->head_us = request->piece_us = clock_monotonic_us();
    request->path = url;
    request->method = method;
    request->http10 = strcmp(version, "HTTP/1.0") == 0;
    http_request_identify(request);
    request->failure = head_check(request, &request->error);
    if (request->failure == STATUS_OK && !request->preflight)
        request->failure = body_begin(request, &request->error);
    if (request->failure == STATUS_OK) {
        request->phase = PHASE_BODY;
        return MHD_YES;
    }
    if (request->close || (head_has_body(request) && answer_before_body(request))) {
        request->close = request->linger = true;
        return refuse(request);
    }
    request->phase = PHASE_DROP;
    request->refused_us = request->head_us;
    return MHD_YES;
}

static void fail(struct http_request *request, enum status status) {
    request->failure = status;
    request->phase = PHASE_DROP;
    request->refused_us = clock_monotonic_us();
    body_wipe(request);
    if (request->chunked)
        request->dropped_us = clock_monotonic_us();
}

static bool body_overdue(const struct http_request *request) {
    uint64_t allowed_us = request->listener->options.body_ms_max * 1000ull;
    return clock_monotonic_us() - request->head_us > allowed_us;
}

static void body_arrived(struct http_request *request, const char *data, size_t size) {
    request->body_bytes += size;
    if (request->phase != PHASE_BODY)
        return;
    enum status status = STATUS_INVALID_FIELD;
    if (body_overdue(request))
        status = error_set(&request->error, STATUS_TIMEOUT, "The body took too long to arrive.");
    else if (request->preflight)
        status = error_set(&request->error, STATUS_BODY_TOO_LARGE, "OPTIONS takes no body.");
    else
        status = body_take(request, data, size, &request->error);
    if (status != STATUS_OK)
        fail(request, status);
}

/* How many bytes of the piece are done with. With fewer than all the connection is suspended. */
static size_t stream_arrived(struct http_request *request, const char *data, size_t size) {
    if (request->phase != PHASE_BODY) {
        /* Dropped, but counted: to whoever keeps to the rate an answer is owed. */
        request->body_bytes += size;
        return size;
    }
    uint64_t most = request->endpoint->body->stream_bytes_max;
    if (request->body_bytes + size > most) { /* chunked: nothing was declared */
        struct error err;
        enum status status =
            error_set(&err, STATUS_BODY_TOO_LARGE, "The body may have %" PRIu64 " bytes.", most);
        request->listener->application->reply_problem(request, status, &err);
        return size;
    }
    size_t taken = request->endpoint->take(request, (const uint8_t *)data, size);
    assert(taken <= size);
    request->body_bytes += taken;
    request->piece_us = clock_monotonic_us();
    if (request->replied)
        return size;
    if (taken < size) {
        request->full_since_us = request->piece_us;
        exchange_suspend(request);
    }
    return taken;
}

void http_request_continue(struct http_request *request) {
    if (request->phase != PHASE_BODY || !request->suspended)
        return;
    uint64_t now_us = clock_monotonic_us();
    request->full_us += now_us - request->full_since_us;
    request->piece_us = now_us;
    exchange_resume(request);
}

static enum MHD_Result end_arrived(struct http_request *request) {
    if (request->early)
        return MHD_NO; /* answered: the connection ends */
    request->received_us = clock_monotonic_us();
    if (request->phase == PHASE_BODY && !request->preflight) {
        request->failure = body_end(request, &request->error);
        if (request->failure != STATUS_OK)
            request->phase = PHASE_DROP;
    }
    if (request->phase == PHASE_DROP)
        return refuse(request);
    request->phase = PHASE_APPLICATION;
    if (request->preflight)
        reply_preflight(request);
    else
        request->endpoint->finish(request);
    if (request->replied)
        return request->response ? answer(request) : MHD_NO;
    assert(request->suspend_wanted && "finish replies or suspends");
    exchange_suspend(request);
    return MHD_YES;
}

enum MHD_Result exchange_handle(void *cls, struct MHD_Connection *mhd, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *size, void **context) {
    (void)cls, (void)mhd;
    struct http_request *request = *context;
    if (!request)
        return MHD_NO;
    if (!request->head_seen)
        return head_arrived(request, url, method, version);
    if (*size > 0 && request->body_kind == HTTP_BODY_STREAM) {
        *size -= stream_arrived(request, data, *size);
        return MHD_YES;
    }
    if (*size > 0) {
        body_arrived(request, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (request->phase == PHASE_APPLICATION) /* resumed by the reply */
        return request->response ? answer(request) : MHD_NO;
    return end_arrived(request);
}

void exchange_completed(void *cls, struct MHD_Connection *mhd, void **context,
                        enum MHD_RequestTerminationCode code) {
    (void)code;
    struct http_listener *listener = cls;
    struct http_request *request = *context;
    *context = NULL;
    if (!request)
        return;
    assert(!request->suspended);
    struct connection *connection = request->connection;
    connection->request = NULL;
    connection->began_us = connection->heard_us = 0;
    connection->idle_since_us = clock_monotonic_us();
    if (!request->head_seen && MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_HTTP_STATUS))
        listener_rejected(listener, "malformed"); /* libmicrohttpd's own 400, 414 or 431 */
    if (request->linger)
        linger_start(listener, connection->fd);
    stream_detach(request);
    if (request->endpoint && request->endpoint->release)
        request->endpoint->release(request);
    if (request->response)
        MHD_destroy_response(request->response);
    body_wipe(request);
    free(request->parameters);
    free(request);
    metrics_add(listener->application->metrics, METRIC_HTTP_IN_FLIGHT, -1);
}
