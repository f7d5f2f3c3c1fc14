#include "api/admission.h"

#include "api/number.h"
#include "server/clock.h"
#include "server/memory.h"

enum { BODIES_SHARE = 8, RETRY_AFTER_S_MAX = 60, US_PER_S = 1000000 };

static const struct service *service_of(const struct http_request *request) {
    return http_request_application(request)->context;
}

enum status admission_read_deadline(const struct http_request *request, uint64_t *deadline_us,
                                    struct error *err) {
    const char *text = http_request_header(request, "X-Request-Timeout-Ms");
    uint64_t timeout_ms = service_of(request)->options.limits.timeout_ms;
    if (text && !number_parse_integer(text, TIMEOUT_MS_MIN, TIMEOUT_MS_MAX, &timeout_ms))
        return error_set(err, STATUS_INVALID_HEADER,
                         "X-Request-Timeout-Ms must be a whole number from %d to %d.",
                         TIMEOUT_MS_MIN, TIMEOUT_MS_MAX);
    *deadline_us = http_request_started_us(request) + timeout_ms * 1000;
    return STATUS_OK;
}

/* ---- memory and places ---- */

/* While jansson reads a string it collects it in a buffer, which is doubled by a copy where it is
 * full (so at its worst three times the string), and then has a copy of its own: with the body, and
 * the strings that were read before, never more than four times the body. */
static size_t json_bytes(size_t body) { return 4 * body; }

size_t admission_read_json_bytes(size_t body) { return body + body / 4 * 3; }

size_t admission_body_bytes(const struct http_request *request) {
    const struct http_body_limits *limits = http_request_endpoint(request)->body;
    bool json = http_request_body_kind(request) == HTTP_BODY_JSON;
    size_t most = json ? limits->json_bytes_max : limits->multipart_bytes_max;
    const char *text = http_request_header(request, "Content-Length");
    uint64_t declared = 0;
    if (!text || !number_parse_integer(text, 0, most, &declared))
        declared = most;
    return json ? json_bytes((size_t)declared) : (size_t)declared;
}

size_t admission_bodies_bytes(const struct service_limits *limits) {
    size_t share = (size_t)(memory_granted() / BODIES_SHARE);
    size_t json = json_bytes(limits->json_bytes_max), form = limits->multipart_bytes_max;
    size_t largest = json > form ? json : form;
    return share > largest ? share : largest;
}

bool admission_has_room(const struct service *service, size_t tasks, size_t bytes) {
    return service->pool_tasks + tasks <= queue_capacity(pool_queue(service->pool)) &&
           service->bodies_bytes + bytes <= service->options.limits.bodies_bytes_max;
}

/* ---- time ---- */

static uint64_t prepare_us(const struct service *service, size_t photographs) {
    return (uint64_t)((double)photographs * service->prepare_us / service->prepare_threads);
}

/* Until an item of the version could be computed. under_way_us: the part of the batch at work. */
static uint64_t version_wait_us(const struct service *service, const struct model_version *version,
                                uint64_t *under_way_us) {
    return version->coming * atomic_load(&version->face_us) +
           batcher_wait_us(service->batcher, version, under_way_us);
}

/* Of the version that waits least, as long as it is not known which one is meant. */
static uint64_t network_wait_us(const struct service *service, const struct model_version *version,
                                uint64_t *under_way_us) {
    if (version)
        return version_wait_us(service, version, under_way_us);
    size_t count = registry_count(service->registry);
    uint64_t least_us = count > 0 ? UINT64_MAX : 0;
    for (size_t i = 0; i < count && least_us > 0; i++) {
        uint64_t us = version_wait_us(service, registry_at(service->registry, i), under_way_us);
        least_us = us < least_us ? us : least_us;
    }
    return least_us;
}

bool admission_in_time(const struct service *service, const struct model_version *version,
                       size_t photographs, uint64_t deadline_us) {
    uint64_t under_way_us = 0, wait_us = prepare_us(service, photographs) +
                                         network_wait_us(service, version, &under_way_us);
    return wait_us <= (uint64_t)service->options.limits.queue_ms * 1000 &&
           clock_monotonic_us() + wait_us + under_way_us < deadline_us;
}

unsigned admission_retry_after_s(const struct service *service,
                                 const struct model_version *version) {
    uint64_t under_way_us = 0, us = prepare_us(service, queue_length(pool_queue(service->pool))) +
                                    network_wait_us(service, version, &under_way_us);
    uint64_t seconds = (us + under_way_us + US_PER_S - 1) / US_PER_S;
    return seconds < 1 ? 1 : seconds < RETRY_AFTER_S_MAX ? (unsigned)seconds : RETRY_AFTER_S_MAX;
}
