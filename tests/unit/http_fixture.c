#include "tests/unit/http_fixture.h"

#include "server/log.h"

#include <assert.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_MS = 10 * 1000 };

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
    fixture->application = (struct http_application){.endpoints = fixture_endpoints,
                                                     .reply_problem = fixture_reply_problem,
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
