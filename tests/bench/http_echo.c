/* What the runtime costs without an application: POST /v1/verify collects a multipart body,
 * suspends, a worker thread looks at one byte of each part, and the loop replies. GET /livez is
 * answered at once.
 *
 *     build/tests/bench/http_echo 127.0.0.1:9999 &
 *     wrk -t1 -c16 -d10 --latency -s tests/bench/http_echo.lua http://127.0.0.1:9999/v1/verify
 *     wrk -t1 -c1  -d10 --latency -s tests/bench/http_echo.lua http://127.0.0.1:9999/v1/verify
 */
#include "server/http/listener.h"
#include "server/http/reply.h"
#include "server/log.h"
#include "server/pool.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct echo {
    struct loop *loop;
    struct pool *pool;
    struct http_listener *listener;
    uv_signal_t terminate;
};

struct job {
    struct pool_task task; /* first */
    struct loop_message message;
    struct http_request *request;
    struct loop *loop;
    size_t bytes;
    unsigned sum;
};

static void job_reply(struct loop_message *message) {
    struct job *job = (struct job *)((char *)message - offsetof(struct job, message));
    char *text = malloc(64);
    assert(text);
    int size = snprintf(text, 64, "{\"bytes\":%zu,\"sum\":%u}", job->bytes, job->sum);
    http_reply_take(job->request, 200, "application/json", text, (size_t)size, NULL);
    free(job);
}

static void job_run(struct pool_task *task, void *context) {
    (void)context;
    struct job *job = (struct job *)task;
    const struct http_part *parts;
    size_t count = http_request_parts(job->request, &parts);
    for (size_t i = 0; i < count; i++) {
        job->bytes += parts[i].size;
        job->sum += parts[i].data[parts[i].size / 2];
    }
    loop_post(job->loop, &job->message);
}

static void reply_problem(struct http_request *request, enum status status,
                          const struct error *err) {
    (void)err;
    const char *code = status_code(status);
    http_reply_static(request, status_http(status), "text/plain", code, strlen(code), NULL);
}

static void finish_verify(struct http_request *request) {
    struct echo *echo = http_request_application(request)->context;
    struct job *job = calloc(1, sizeof *job);
    assert(job);
    *job = (struct job){
        .task.run = job_run, .message.run = job_reply, .request = request, .loop = echo->loop};
    if (pool_submit(echo->pool, &job->task)) {
        http_request_suspend(request);
        return;
    }
    free(job);
    struct error err;
    error_set(&err, STATUS_OVERLOADED, "The queue is full.");
    reply_problem(request, STATUS_OVERLOADED, &err);
}

static void finish_live(struct http_request *request) {
    http_reply_static(request, 200, "text/plain", "ok\n", 3, NULL);
}

static const char *const files[] = {"image1", "image2", NULL};
static const struct http_body_limits limits = {.kinds = HTTP_BODY_MULTIPART,
                                               .multipart_bytes_max = 21u << 20,
                                               .file_bytes_max = 10u << 20,
                                               .field_bytes_max = 256,
                                               .parts_max = 32,
                                               .files = files};
static const struct http_endpoint verify = {.method = "POST",
                                            .path = "/v1/verify",
                                            .route = "/v1/verify",
                                            .listeners = HTTP_PUBLIC,
                                            .body = &limits,
                                            .finish = finish_verify};
static const struct http_endpoint live = {.method = "GET",
                                          .path = "/livez",
                                          .route = "/livez",
                                          .listeners = HTTP_PUBLIC,
                                          .probe = true,
                                          .finish = finish_live};
static const struct http_endpoint *const endpoints[] = {&verify, &live, NULL};

static void on_drained(void *context) {
    struct echo *echo = context;
    http_listener_stop(echo->listener);
    loop_stop(echo->loop);
}

static void on_terminate(uv_signal_t *signal, int number) {
    (void)number;
    struct echo *echo = signal->data;
    uv_close((uv_handle_t *)signal, NULL);
    http_listener_drain(echo->listener, on_drained, echo);
}

int main(int argc, char **argv) {
    struct error err;
    struct echo echo = {0};
    log_set_level(argc > 2 ? LOG_INFO : LOG_WARN);
    struct metrics *metrics = metrics_create();
    struct http_application application = {.endpoints = endpoints,
                                           .reply_problem = reply_problem,
                                           .metrics = metrics,
                                           .context = &echo,
                                           .guard_hosts = true};
    struct http_listener_options options = {.role = HTTP_PUBLIC,
                                            .address = argc > 1 ? argv[1] : "127.0.0.1:9999",
                                            .connections_max = 1024,
                                            .header_ms_max = 10000,
                                            .body_ms_max = 30000,
                                            .answer_ms_max = 30000,
                                            .header_bytes_max = 16384};
    struct pool_options pool = {.name = "echo", .threads = 1, .tasks_max = 1024};
    if (loop_create(&echo.loop, &err) != STATUS_OK ||
        pool_create(&pool, &echo.pool, &err) != STATUS_OK ||
        http_listener_start(&options, &application, echo.loop, &echo.listener, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.detail);
        return 1;
    }
    uv_signal_init(loop_uv(echo.loop), &echo.terminate);
    echo.terminate.data = &echo;
    uv_signal_start(&echo.terminate, on_terminate, SIGTERM);
    loop_run(echo.loop);
    pool_destroy(echo.pool);
    loop_destroy(echo.loop);
    metrics_destroy(metrics);
    return 0;
}
