/* A tiny application behind a real listener on 127.0.0.1, its loop in a thread of its own, for the
 * tests of server/http; tests/unit/http_client.h asks it.
 *
 *     GET  /livez            "ok" (a probe)
 *     GET  /items/{item}     the item
 *     POST /upload           multipart or JSON; answers "name=size;" for each part, "json=size;"
 *     POST /wait             suspends; answered from another thread by fixture_release()
 *     POST /denied           not admitted: overloaded
 *     GET  /large            4 MiB
 *     PUT  /stream?note=     takes 1000 bytes a turn; "stream=SIZE,note=NOTE"; refuses at a '!'
 *     PUT  /stream?note=refused   not admitted
 *     GET  /events           a stream, written by fixture_write() and ended by fixture_end()
 */
#ifndef FACEPAIR_TESTS_HTTP_FIXTURE_H
#define FACEPAIR_TESTS_HTTP_FIXTURE_H

#include "server/http/listener.h"
#include "server/http/reply.h"
#include "tests/unit/http_client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    FIXTURE_MULTIPART_MAX = 4 * 1024 * 1024,
    FIXTURE_JSON_MAX = 3 * 1024 * 1024,
    FIXTURE_FILE_MAX = 3 * 1024 * 1024,
    FIXTURE_FIELD_MAX = 256,
    FIXTURE_PARTS_MAX = 8,
    FIXTURE_LARGE = 4 * 1024 * 1024,
    FIXTURE_WAITING_MAX = 1024,
    FIXTURE_STREAM_MAX = 8 * 1024 * 1024,
    FIXTURE_EVENTS_MAX = 256,
};

struct fixture_options {
    const char *const *allowed_origins, *const *allowed_hosts;
    bool no_guard;
    unsigned header_ms_max, body_ms_max, answer_ms_max, connections_max; /* 0: generous */
};

struct waiting {
    struct loop_message message;
    struct http_request *request;
    struct fixture *fixture;
};

struct fixture {
    struct loop *loop;
    struct http_listener *listener;
    struct metrics *metrics;
    struct http_application application;
    pthread_t thread;
    unsigned port;
    atomic_uint finished, abandoned, released, drained; /* calls of the application */
    pthread_mutex_t lock;
    struct waiting *waiting[FIXTURE_WAITING_MAX]; /* suspended in POST /wait */
    unsigned waiting_count;
    struct loop_message stop;
    struct http_request *events; /* the last GET /events; NULL: released */
};

void fixture_start(struct fixture *fixture, const struct fixture_options *options);
void fixture_stop(struct fixture *fixture);  /* drains; every client must have been answered */
void fixture_drain(struct fixture *fixture); /* begins; fixture_stop then only waits */
unsigned fixture_waiting(struct fixture *fixture);
/* Answers all that wait, from this thread; how many these were. */
unsigned fixture_release(struct fixture *fixture);
/* To the stream of GET /events, which there is; false: the client reads too slowly. */
bool fixture_write(struct fixture *fixture, const char *text);
void fixture_end(struct fixture *fixture);
/* The value of a line of the metrics' text that begins with `series`, 0 when there is none. The
 * loop runs. */
double fixture_metric(struct fixture *fixture, const char *series);
bool eventually(bool (*condition)(struct fixture *), struct fixture *fixture); /* within 10 s */

/* http_fixture_application.c */
extern const struct http_endpoint *const fixture_endpoints[];
void fixture_reply_problem(struct http_request *request, enum status status,
                           const struct error *err);

#endif
