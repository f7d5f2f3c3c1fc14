/* The endpoints of tests/unit/http_fixture.h. All but what it declares runs on the loop's thread.
 */
#include "tests/unit/http_fixture.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fixture_reply_problem(struct http_request *request, enum status status,
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
    const char *note = http_request_query(request, "note");
    if (note && strcmp(note, "refused") == 0)
        return error_set(err, STATUS_OVERLOADED, "Not now.");
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
        fixture_reply_problem(request, STATUS_INVALID_FIELD,
                              &(struct error){"No exclamation marks."});
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
const struct http_endpoint *const fixture_endpoints[] = {
    &live, &item, &upload, &hold, &denied, &large, &elsewhere, &stream, &events, NULL};
