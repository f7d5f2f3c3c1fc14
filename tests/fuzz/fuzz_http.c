/* Whole connections: the bytes of the input arrive at the real server through a socketpair, in
 * pieces whose size its first byte says, and the client then goes. It comes from a proxy that is
 * trusted to say whose request it is, or, where that byte is odd, from somebody else. On the way
 * are libmicrohttpd, server/http and, for what it lets through, the readers of bodies in api/.
 * Everything runs on this thread, turn by turn, so that an input always takes the same way.
 *
 * Whatever comes, it is answered in HTTP/1.1 and never by a fault of ours (500); the connection
 * ends with its client, and no request is left. */
#include "api/body.h"
#include "model/json.h"
#include "server/http/connection.h"
#include "server/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { FILE_BYTES_MAX = 4096, BODY_BYTES_MAX = 16 * 1024, TURNS = 3, TURNS_MAX = 100 };

static struct loop *loop;
static struct http_listener *listener;

/* ---- the application ---- */

static const struct body_shape shape = {
    .options = (1 << OPTION_COUNT) - 1, .images_min = 2, .images_max = 2};

static void reply_problem(struct http_request *request, enum status status,
                          const struct error *err) {
    assert(err->detail[0] && status != STATUS_INTERNAL);
    char *text = strdup(err->detail);
    assert(text);
    http_reply_take(request, status_http(status), "text/plain", text, strlen(text), NULL);
}

static void finish_parameter(struct http_request *request) {
    char *text = strdup(http_request_parameter(request));
    assert(text);
    http_reply_take(request, 200, "text/plain", text, strlen(text), NULL);
}

static void finish_form(struct http_request *request) {
    struct body body;
    struct faults faults;
    faults_init(&faults);
    if (http_request_body_kind(request) == HTTP_BODY_MULTIPART) {
        const struct http_part *parts;
        size_t count = http_request_parts(request, &parts);
        body_read_multipart(parts, count, &shape, &body, &faults);
    } else {
        size_t size;
        const uint8_t *json = http_request_body(request, &size);
        body_read_json(json, size, FILE_BYTES_MAX, &shape, &body, &faults);
    }
    body_release(&body);
    if (faults.count > 0)
        reply_problem(request, faults.list[0].status, &faults.list[0].error);
    else
        http_reply_static(request, 200, "text/plain", "ok", 2, NULL);
}

static size_t take_stream(struct http_request *request, const uint8_t *bytes, size_t size) {
    if (memchr(bytes, '!', size))
        reply_problem(request, STATUS_INVALID_FIELD, &(struct error){"No exclamation marks."});
    return size;
}

static void finish_stream(struct http_request *request) {
    const char *note = http_request_query(request, "note");
    char *text = strdup(note ? note : "none");
    assert(text);
    http_reply_take(request, 200, "text/plain", text, strlen(text), NULL);
}

static const char *const files[] = {"image1", "image2", NULL};
static const struct http_body_limits form_limits = {.kinds = HTTP_BODY_MULTIPART | HTTP_BODY_JSON,
                                                    .multipart_bytes_max = BODY_BYTES_MAX,
                                                    .json_bytes_max = BODY_BYTES_MAX,
                                                    .file_bytes_max = FILE_BYTES_MAX,
                                                    .field_bytes_max = 256,
                                                    .parts_max = 32,
                                                    .files = files};
static const char *const stream_types[] = {"application/x-tar", NULL};
static const struct http_body_limits stream_limits = {
    .kinds = HTTP_BODY_STREAM, .stream_bytes_max = BODY_BYTES_MAX, .stream_types = stream_types};
static const char *const stream_query[] = {"note", "other", NULL};

static const struct http_endpoint item = {.method = "GET",
                                          .path = "/items/{item}/{part}",
                                          .route = "/items/{item}/{part}",
                                          .listeners = HTTP_PUBLIC,
                                          .finish = finish_parameter};
static const struct http_endpoint form = {.method = "POST",
                                          .path = "/form",
                                          .route = "/form",
                                          .listeners = HTTP_PUBLIC,
                                          .body = &form_limits,
                                          .finish = finish_form};
static const struct http_endpoint stream = {.method = "PUT",
                                            .path = "/stream",
                                            .route = "/stream",
                                            .listeners = HTTP_PUBLIC,
                                            .body = &stream_limits,
                                            .query = stream_query,
                                            .take = take_stream,
                                            .finish = finish_stream};
static const struct http_endpoint *const endpoints[] = {&item, &form, &stream, NULL};
static const char *const origins[] = {"https://good.example", NULL};
static struct http_application application = {.endpoints = endpoints,
                                              .reply_problem = reply_problem,
                                              .allowed_origins = origins,
                                              .guard_hosts = true};

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    static struct ip_range proxies[2];
    static const struct http_listener_options options = {
        .role = HTTP_PUBLIC,
        .address = "127.0.0.1:0",
        .connections_max = 8,
        .header_ms_max = 10 * 1000,
        .body_ms_max = 10 * 1000,
        .answer_ms_max = 10 * 1000,
        .header_bytes_max = 16 * 1024,
        .addresses = {.trusted = proxies, .trusted_count = 2, .logged = true}};
    struct error err;
    bool parsed =
        ip_range_parse("10.0.0.0/8", &proxies[0]) && ip_range_parse("2001:db8::/32", &proxies[1]);
    assert(parsed);
    log_set_level(LOG_OFF);
    json_use_our_memory();
    application.metrics = metrics_create();
    assert(application.metrics);
    enum status status = loop_create(&loop, &err);
    assert(status == STATUS_OK);
    status = http_listener_start(&options, &application, loop, &listener, &err);
    assert(status == STATUS_OK);
    return 0;
}

/* ---- the client ---- */

static void turn(void) {
    for (int i = 0; i < TURNS; i++)
        uv_run(loop_uv(loop), UV_RUN_NOWAIT);
}

/* What has come back: an answer at the beginning of it. (Faults of ours are caught where they are
 * told; in here they may stand as what an answer repeats of the input.) */
static void look(int fd, bool *first) {
    char text[64 * 1024];
    ssize_t got;
    while ((got = recv(fd, text, sizeof text, MSG_DONTWAIT)) > 0) {
        assert(!*first || memcmp(text, "HTTP/1.1 ", 9) == 0);
        *first = false;
    }
}

/* False: the server has closed the connection. */
static bool say(int fd, const uint8_t *bytes, size_t size) {
    for (int tries = 0; size > 0 && tries < TURNS_MAX; tries++) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent > 0) {
            bytes += sent;
            size -= (size_t)sent;
        }
        turn();
    }
    return size == 0;
}

static void converse(int fd, const uint8_t *bytes, size_t size, size_t piece) {
    bool first = true, open = true;
    for (size_t at = 0; at < size && open; at += piece) {
        open = say(fd, bytes + at, size - at < piece ? size - at : piece);
        look(fd, &first);
    }
    shutdown(fd, SHUT_WR);
    turn();
    look(fd, &first);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const uint8_t proxy[] = {10, 0, 0, 1}, other[] = {192, 0, 2, 1};
    struct sockaddr_in from = {.sin_family = AF_INET};
    int pair[2];
    if (size == 0 || size > 2 * BODY_BYTES_MAX)
        return 0;
    int failure = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
    assert(!failure);
    memcpy(&from.sin_addr, bytes[0] % 2 ? other : proxy, sizeof from.sin_addr);
    enum MHD_Result added =
        MHD_add_connection(listener->daemon, pair[1], (const struct sockaddr *)&from, sizeof from);
    assert(added == MHD_YES);
    listener_wake(listener);
    turn();
    size_t piece = bytes[0] ? (size_t)bytes[0] * bytes[0] : size;
    converse(pair[0], bytes + 1, size - 1, piece);
    close(pair[0]);
    for (int i = 0; i < TURNS_MAX && listener->connections_count + listener->lingers_count > 0; i++)
        turn();
    assert(listener->connections_count == 0 && listener->lingers_count == 0);
    return 0;
}
