#include "tests/unit/http_fixture.h"

#include "server/log.h"

#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 10 * 1000 };

/* ---- the application ---- */
static void reply_problem(struct http_request *request, enum status status,
                          const struct error *err) {
    char *text = malloc(512);
    assert(text && err->detail[0]);
    int size = snprintf(text, 512, "%s: %s", status_code(status), err->detail);
    http_reply_take(request, status_http(status), "application/problem+json", text, (size_t)size,
                    NULL);
}

static struct fixture *fixture_of(const struct http_request *request) {
    return http_request_application(request)->context;
}

static void finish_live(struct http_request *request) {
    atomic_fetch_add(&fixture_of(request)->finished, 1);
    http_reply_static(request, 200, "text/plain", "ok", 2, NULL);
}

static void finish_item(struct http_request *request) {
    atomic_fetch_add(&fixture_of(request)->finished, 1);
    const char *item = http_request_parameter(request);
    char *text = strdup(item);
    http_reply_take(request, 200, "text/plain", text, strlen(text), NULL);
}

static void finish_upload(struct http_request *request) {
    atomic_fetch_add(&fixture_of(request)->finished, 1);
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    const struct http_part *parts;
    size_t count = http_request_parts(request, &parts);
    for (size_t i = 0; i < count; i++)
        fprintf(stream, "%s=%zu;", parts[i].name, parts[i].size);
    size_t json_size;
    if (http_request_body(request, &json_size))
        fprintf(stream, "json=%zu;", json_size);
    fclose(stream);
    http_reply_take(request, 200, "text/plain", text, size, NULL);
}

static void finish_wait(struct http_request *request) {
    struct fixture *fixture = fixture_of(request);
    struct waiting *waiting = calloc(1, sizeof *waiting);
    assert(waiting);
    waiting->request = request;
    waiting->fixture = fixture;
    http_request_set_state(request, fixture);
    http_request_suspend(request);
    atomic_fetch_add(&fixture->finished, 1);
    pthread_mutex_lock(&fixture->lock);
    assert(fixture->waiting_count < FIXTURE_WAITING_MAX);
    fixture->waiting[fixture->waiting_count++] = waiting;
    pthread_mutex_unlock(&fixture->lock);
}

static void abandon_wait(struct http_request *request) {
    assert(http_request_client_left(request));
    atomic_fetch_add(&fixture_of(request)->abandoned, 1);
}

static void release_wait(struct http_request *request) {
    struct fixture *fixture = http_request_state(request);
    if (fixture)
        atomic_fetch_add(&fixture->released, 1);
}

static void finish_large(struct http_request *request) {
    char *bytes = calloc(1, FIXTURE_LARGE);
    assert(bytes);
    http_reply_take(request, 200, "application/octet-stream", bytes, FIXTURE_LARGE, NULL);
}

/* ---- streams ---- */
struct streamed {
    struct loop_message message; /* of the turn of the loop that makes room */
    struct http_request *request;
    size_t size;
    bool full, gone;
};

static void run_room(struct loop_message *message) {
    struct streamed *streamed = (struct streamed *)message;
    streamed->full = false;
    if (streamed->gone)
        free(streamed);
    else
        http_request_continue(streamed->request);
}

static enum status admit_stream(struct http_request *request, struct error *err) {
    (void)err;
    struct streamed *streamed = calloc(1, sizeof *streamed);
    assert(streamed);
    streamed->request = request;
    streamed->message.run = run_room;
    http_request_set_state(request, streamed);
    return STATUS_OK;
}

static size_t take_stream(struct http_request *request, const uint8_t *data, size_t size) {
    enum { TURN = 1000 };
    struct streamed *streamed = http_request_state(request);
    assert(!streamed->full && "nothing comes while there is no room");
    size_t taken = size < TURN ? size : TURN;
    if (memchr(data, '!', taken)) {
        reply_problem(request, STATUS_INVALID_FIELD, &(struct error){"No exclamation marks."});
        return taken;
    }
    streamed->size += taken;
    streamed->full = taken < size;
    if (streamed->full)
        loop_post(fixture_of(request)->loop, &streamed->message);
    return taken;
}

static void finish_stream(struct http_request *request) {
    const struct streamed *streamed = http_request_state(request);
    const char *note = http_request_query(request, "note");
    char *text = malloc(512);
    assert(text);
    int size = snprintf(text, 512, "stream=%zu,note=%s", streamed->size, note ? note : "(none)");
    http_reply_take(request, 200, "text/plain", text, (size_t)size, NULL);
}

static void release_stream(struct http_request *request) {
    struct streamed *streamed = http_request_state(request);
    if (!streamed) /* refused before it was admitted */
        return;
    atomic_fetch_add(&fixture_of(request)->released, 1);
    if (streamed->full)
        streamed->gone = true; /* its message is under way */
    else
        free(streamed);
}

static void finish_events(struct http_request *request) {
    struct fixture *fixture = fixture_of(request);
    http_reply_stream(request, "text/event-stream", FIXTURE_EVENTS_MAX, NULL);
    pthread_mutex_lock(&fixture->lock);
    fixture->events = request;
    pthread_mutex_unlock(&fixture->lock);
    atomic_fetch_add(&fixture->finished, 1);
}

static void abandon_events(struct http_request *request) {
    atomic_fetch_add(&fixture_of(request)->abandoned, 1);
    http_stream_end(request);
}

static void release_events(struct http_request *request) {
    struct fixture *fixture = fixture_of(request);
    pthread_mutex_lock(&fixture->lock);
    fixture->events = NULL;
    pthread_mutex_unlock(&fixture->lock);
    atomic_fetch_add(&fixture->released, 1);
}

struct saying {
    struct loop_message message;
    struct fixture *fixture;
    const char *text; /* NULL: the end */
    bool taken;
    atomic_bool done;
};

static void run_saying(struct loop_message *message) {
    struct saying *saying = (struct saying *)message;
    struct http_request *events = saying->fixture->events;
    saying->taken = true;
    if (events && saying->text)
        saying->taken = http_stream_write(events, saying->text, strlen(saying->text));
    else if (events)
        http_stream_end(events);
    atomic_store(&saying->done, true);
}

static bool say(struct fixture *fixture, const char *text) {
    struct saying saying = {.message.run = run_saying, .fixture = fixture, .text = text};
    loop_post(fixture->loop, &saying.message);
    while (!atomic_load(&saying.done))
        usleep(1000);
    return saying.taken;
}

bool fixture_write(struct fixture *fixture, const char *text) { return say(fixture, text); }

void fixture_end(struct fixture *fixture) { say(fixture, NULL); }

static enum status admit_none(struct http_request *request, struct error *err) {
    (void)request;
    return error_set(err, STATUS_OVERLOADED, "Not now.");
}

static const char *const files[] = {"image1", "image2", NULL};
static const struct http_body_limits limits = {.kinds = HTTP_BODY_MULTIPART | HTTP_BODY_JSON,
                                               .multipart_bytes_max = FIXTURE_MULTIPART_MAX,
                                               .json_bytes_max = FIXTURE_JSON_MAX,
                                               .file_bytes_max = FIXTURE_FILE_MAX,
                                               .field_bytes_max = FIXTURE_FIELD_MAX,
                                               .parts_max = FIXTURE_PARTS_MAX,
                                               .files = files};
static const struct http_endpoint live = {.method = "GET",
                                          .path = "/livez",
                                          .route = "/livez",
                                          .listeners = HTTP_PUBLIC,
                                          .probe = true,
                                          .finish = finish_live};
static const struct http_endpoint item = {.method = "GET",
                                          .path = "/items/{item}",
                                          .route = "/items/{item}",
                                          .listeners = HTTP_PUBLIC,
                                          .finish = finish_item};
static const struct http_endpoint upload = {.method = "POST",
                                            .path = "/upload",
                                            .route = "/upload",
                                            .listeners = HTTP_PUBLIC,
                                            .body = &limits,
                                            .finish = finish_upload};
static const struct http_endpoint hold = {.method = "POST",
                                          .path = "/wait",
                                          .route = "/wait",
                                          .listeners = HTTP_PUBLIC,
                                          .finish = finish_wait,
                                          .abandon = abandon_wait,
                                          .release = release_wait};
static const struct http_endpoint denied = {.method = "POST",
                                            .path = "/denied",
                                            .route = "/denied",
                                            .listeners = HTTP_PUBLIC,
                                            .body = &limits,
                                            .admit = admit_none,
                                            .finish = finish_upload};
static const struct http_endpoint large = {.method = "GET",
                                           .path = "/large",
                                           .route = "/large",
                                           .listeners = HTTP_PUBLIC,
                                           .finish = finish_large};
static const char *const stream_types[] = {"application/x-tar", "application/gzip", NULL};
static const struct http_body_limits stream_limits = {.kinds = HTTP_BODY_STREAM,
                                                      .stream_bytes_max = FIXTURE_STREAM_MAX,
                                                      .stream_types = stream_types};
static const char *const stream_query[] = {"note", "other", NULL};
static const struct http_endpoint stream = {.method = "PUT",
                                            .path = "/stream",
                                            .route = "/stream",
                                            .listeners = HTTP_PUBLIC,
                                            .body = &stream_limits,
                                            .query = stream_query,
                                            .admit = admit_stream,
                                            .take = take_stream,
                                            .finish = finish_stream,
                                            .release = release_stream};
static const struct http_endpoint events = {.method = "GET",
                                            .path = "/events",
                                            .route = "/events",
                                            .listeners = HTTP_PUBLIC,
                                            .finish = finish_events,
                                            .abandon = abandon_events,
                                            .release = release_events};
static const struct http_endpoint elsewhere = {.method = "GET",
                                               .path = "/admin-only",
                                               .route = "/admin-only",
                                               .listeners = HTTP_ADMIN,
                                               .finish = finish_live};
static const struct http_endpoint *const endpoints[] = {
    &live, &item, &upload, &hold, &denied, &large, &elsewhere, &stream, &events, NULL};

/* ---- the fixture ---- */
static void *run_loop(void *argument) {
    struct fixture *fixture = argument;
    loop_run(fixture->loop);
    return NULL;
}

void fixture_start(struct fixture *fixture, const struct fixture_options *options) {
    static const struct fixture_options plain;
    const struct fixture_options *o = options ? options : &plain;
    memset(fixture, 0, sizeof *fixture);
    log_set_level(LOG_OFF);
    pthread_mutex_init(&fixture->lock, NULL);
    fixture->metrics = metrics_create();
    assert(fixture->metrics);
    fixture->application = (struct http_application){.endpoints = endpoints,
                                                     .reply_problem = reply_problem,
                                                     .metrics = fixture->metrics,
                                                     .context = fixture,
                                                     .allowed_hosts = o->allowed_hosts,
                                                     .allowed_origins = o->allowed_origins,
                                                     .guard_hosts = !o->no_guard};
    struct http_listener_options listener = {
        .role = HTTP_PUBLIC,
        .address = "127.0.0.1:0",
        .connections_max = o->connections_max ? o->connections_max : 1024,
        .header_ms_max = o->header_ms_max ? o->header_ms_max : 60 * 1000,
        .body_ms_max = o->body_ms_max ? o->body_ms_max : 60 * 1000,
        .answer_ms_max = o->answer_ms_max ? o->answer_ms_max : 60 * 1000,
        .header_bytes_max = 16 * 1024};
    struct error err;
    enum status status = loop_create(&fixture->loop, &err);
    assert(status == STATUS_OK);
    status = http_listener_start(&listener, &fixture->application, fixture->loop,
                                 &fixture->listener, &err);
    assert(status == STATUS_OK);
    fixture->port = http_listener_port(fixture->listener);
    int failure = pthread_create(&fixture->thread, NULL, run_loop, fixture);
    assert(!failure);
}

static void on_drained(void *context) {
    struct fixture *fixture = context;
    atomic_store(&fixture->drained, 1);
    http_listener_stop(fixture->listener);
    loop_stop(fixture->loop);
}

static void run_stop(struct loop_message *message) {
    struct fixture *fixture = (struct fixture *)((char *)message - offsetof(struct fixture, stop));
    http_listener_drain(fixture->listener, on_drained, fixture);
}

void fixture_drain(struct fixture *fixture) {
    fixture->stop.run = run_stop;
    loop_post(fixture->loop, &fixture->stop);
}

void fixture_stop(struct fixture *fixture) {
    if (!fixture->stop.run)
        fixture_drain(fixture);
    pthread_join(fixture->thread, NULL);
    loop_destroy(fixture->loop);
    metrics_destroy(fixture->metrics);
    pthread_mutex_destroy(&fixture->lock);
}

unsigned fixture_waiting(struct fixture *fixture) {
    pthread_mutex_lock(&fixture->lock);
    unsigned count = fixture->waiting_count;
    pthread_mutex_unlock(&fixture->lock);
    return count;
}

static void run_release(struct loop_message *message) {
    struct waiting *waiting =
        (struct waiting *)((char *)message - offsetof(struct waiting, message));
    http_reply_static(waiting->request, 200, "text/plain", "waited", 6, NULL);
    free(waiting);
}

unsigned fixture_release(struct fixture *fixture) {
    pthread_mutex_lock(&fixture->lock);
    unsigned count = fixture->waiting_count;
    for (unsigned i = 0; i < fixture->waiting_count; i++) {
        fixture->waiting[i]->message.run = run_release;
        loop_post(fixture->loop, &fixture->waiting[i]->message);
    }
    fixture->waiting_count = 0;
    pthread_mutex_unlock(&fixture->lock);
    return count;
}

struct told { /* the text of the metrics, made on the loop's thread, whose work it is in the service
               */
    struct loop_message message;
    struct metrics *metrics;
    char *text;
    sem_t done;
};

static void run_told(struct loop_message *message) {
    struct told *told = (struct told *)message;
    size_t size;
    told->text = metrics_text(told->metrics, &size);
    sem_post(&told->done);
}

double fixture_metric(struct fixture *fixture, const char *series) {
    struct told told = {.message.run = run_told, .metrics = fixture->metrics};
    sem_init(&told.done, 0, 0);
    loop_post(fixture->loop, &told.message);
    while (sem_wait(&told.done) != 0)
        continue;
    sem_destroy(&told.done);
    char *text = told.text, *save = NULL;
    assert(text);
    double value = 0;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (strncmp(line, series, strlen(series)) == 0)
            value = strtod(strrchr(line, ' '), NULL);
    free(text);
    return value;
}

bool eventually(bool (*condition)(struct fixture *), struct fixture *fixture) {
    for (int i = 0; i < PATIENCE_MS / 5; i++) {
        if (condition(fixture))
            return true;
        usleep(5000);
    }
    return false;
}

/* ---- the client ---- */
int client_connect(const struct fixture *fixture) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)fixture->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int failure = connect(fd, (struct sockaddr *)&address, sizeof address);
    assert(!failure);
    return fd;
}

bool client_send(int fd, const void *bytes, size_t size) {
    const char *at = bytes;
    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent < 0)
            return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

void client_say(int fd, const char *text) { client_send(fd, text, strlen(text)); }

/* One byte or -1. */
static int client_byte(int fd) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    unsigned char byte;
    if (poll(&poll_fd, 1, PATIENCE_MS) != 1 || recv(fd, &byte, 1, 0) != 1)
        return -1;
    return byte;
}

void client_read(int fd, struct response *response, bool head_only) {
    memset(response, 0, sizeof *response);
    size_t size = 0;
    while (size + 1 < sizeof response->head && !strstr(response->head, "\r\n\r\n")) {
        int byte = client_byte(fd);
        if (byte < 0)
            return;
        response->head[size++] = (char)byte;
    }
    int status = 0;
    if (sscanf(response->head, "HTTP/1.1 %d ", &status) != 1)
        return;
    char length[32];
    size_t left =
        strtoul(response_header(response, "Content-Length", length, sizeof length), NULL, 10);
    for (; left > 0 && !head_only; left--) {
        int byte = client_byte(fd);
        if (byte < 0)
            return;
        if (response->body_size + 1 < sizeof response->body)
            response->body[response->body_size++] = (char)byte;
    }
    response->status = status;
}

bool client_ended(int fd) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    char byte;
    return poll(&poll_fd, 1, PATIENCE_MS) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

const char *response_header(const struct response *response, const char *name, char *value,
                            size_t value_size) {
    value[0] = '\0';
    for (const char *line = response->head; line; line = strstr(line, "\r\n")) {
        line += strspn(line, "\r\n");
        if (strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            const char *at = line + strlen(name) + 1;
            at += strspn(at, " ");
            snprintf(value, value_size, "%.*s", (int)strcspn(at, "\r"), at);
            break;
        }
        if (!*line)
            break;
    }
    return value;
}

void client_ask(const struct fixture *fixture, const char *text, struct response *response) {
    int fd = client_connect(fixture);
    client_say(fd, text);
    client_read(fd, response, false);
    close(fd);
}
