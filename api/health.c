#include "api/health.h"

#include "api/lockout.h"
#include "api/problem.h"
#include "api/service.h"
#include "server/http/reply.h"

#include <string.h>

static struct service *service_of(const struct http_request *request) {
    return http_request_application(request)->context;
}

static void reply_state(struct http_request *request, const char *json) {
    static const struct http_header headers[] = {{"Cache-Control", "no-store"}, {NULL, NULL}};
    http_reply_static(request, 200, "application/json", json, strlen(json), headers);
}

/* The disk thread is not looked at: it waits for disks, and no verification does but for the count
 * of its subject, whose thread is. */
static const char *what_hangs(const struct service *service, uint64_t least_us) {
    if (batcher_hangs(service->batcher, least_us))
        return "the network hangs";
    if (pool_hangs(service->pool, least_us))
        return "a preparation hangs";
    return lockout_hangs(service->lockout, least_us) ? "the counting of refusals hangs" : NULL;
}

bool health_hangs(const struct service *service, struct error *cause) {
    const char *what = what_hangs(service, service->options.hang_ms * UINT64_C(1000));
    if (what)
        error_set(cause, STATUS_INTERNAL, "%s", what);
    return what != NULL;
}

/* That this is answered at all shows that the loop moves. */
void health_live(struct http_request *request) {
    struct error cause;
    if (health_hangs(service_of(request), &cause))
        problem_reply(request, STATUS_INTERNAL, &cause);
    else
        reply_state(request, "{\"status\":\"live\"}");
}

/* The listeners open when the models are warm, so whoever can ask is told yes. */
void health_startup(struct http_request *request) {
    reply_state(request, "{\"status\":\"started\"}");
}

void health_ready(struct http_request *request) {
    if (service_ready(service_of(request)))
        reply_state(request, "{\"status\":\"ready\"}");
    else
        problem_reply(request, STATUS_DRAINING, NULL);
}

static void sample_queue(struct metrics *metrics, const char *name, size_t length,
                         size_t capacity) {
    metrics_set(metrics, METRIC_QUEUE_LENGTH, (double)length, name);
    metrics_set(metrics, METRIC_QUEUE_CAPACITY, (double)capacity, name);
}

void health_metrics(struct http_request *request) {
    struct service *service = service_of(request);
    struct metrics *metrics = service->metrics;
    struct queue *prepare = pool_queue(service->pool);
    sample_queue(metrics, "prepare", queue_length(prepare), queue_capacity(prepare));
    struct queue *disk = pool_queue(service->disk);
    sample_queue(metrics, "disk", queue_length(disk), queue_capacity(disk));
    if (service->lockout)
        sample_queue(metrics, "lockout", lockout_length(service->lockout), LOCKOUT_TASKS_MAX);
    sample_queue(metrics, "embed", batcher_length(service->batcher),
                 service->options.limits.embed_items_max);
    metrics_set(metrics, METRIC_READY, service_ready(service) ? 1 : 0);
    metrics_set(metrics, METRIC_LOOP_LAG, (double)loop_lag_us(service->loop) / 1e6);
    size_t size;
    char *text = metrics_text(metrics, &size);
    if (text)
        http_reply_take(request, 200, METRICS_CONTENT_TYPE, text, size, NULL);
    else
        problem_reply(request, STATUS_INTERNAL, &(struct error){"out of memory for /metrics"});
}
