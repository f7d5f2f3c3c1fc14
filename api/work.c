#include "api/work.h"

#include "api/admission.h"
#include "api/attempt.h"
#include "api/audit.h"
#include "api/problem.h"
#include "server/clock.h"
#include "server/http/reply.h"
#include "server/wipe.h"

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* nginx's word for a client that left before its answer; only logs and metrics see it. */
enum { CLIENT_LEFT = 499 };

static struct service *service_of(const struct http_request *request) {
    return http_request_application(request)->context;
}

static void count_rejected(struct service *service, enum status status) {
    bool of_subject = status == STATUS_SUBJECT_LOCKED || status == STATUS_SUBJECT_DISABLED;
    if (status_http(status) > 500 || of_subject)
        metrics_add(service->metrics, METRIC_REJECTED, 1, status_code(status));
}

/* ---- admission ---- */

/* The struct of the kind, zeroed, and the faults behind it. */
static struct work *create(const struct work_kind *kind) {
    size_t size = (kind->size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct work *work = malloc(size + sizeof(struct faults));
    if (!work)
        return NULL;
    memset(work, 0, size);
    work->kind = kind;
    work->faults = (struct faults *)((char *)work + size);
    faults_init(work->faults);
    return work;
}

static enum status admit(struct http_request *request, const struct work_kind *kind,
                         struct error *err) {
    struct service *service = service_of(request);
    uint64_t deadline_us;
    enum status status = admission_read_deadline(request, &deadline_us, err);
    if (status != STATUS_OK)
        return status;
    if (service->draining)
        return error_set(err, STATUS_DRAINING, "draining");
    if (!audit_ready(service))
        return error_set(err, STATUS_STORAGE_FULL, "decisions cannot be recorded");
    if (clock_monotonic_us() > deadline_us) /* its header took that long */
        return error_set(err, STATUS_DEADLINE_EXCEEDED, "the header came too late");
    size_t bytes = admission_body_bytes(request);
    if (!admission_has_room(service, kind->tasks, bytes))
        return error_set(err, STATUS_OVERLOADED, "no room for another request");
    bool in_time =
        kind->prepares
            ? admission_in_time(service, NULL, queue_length(pool_queue(service->pool)), deadline_us)
            : clock_monotonic_us() < deadline_us;
    if (!in_time)
        return error_set(err, STATUS_OVERLOADED, "its turn would come too late");
    struct work *work = create(kind);
    if (!work)
        return error_set(err, STATUS_INTERNAL, "out of memory for a request");
    work->service = service;
    work->request = request;
    work->body_bytes = bytes;
    work->deadline_us = deadline_us;
    service->bodies_bytes += bytes;
    http_request_set_state(request, work);
    return STATUS_OK;
}

enum status work_admit(struct http_request *request, const struct work_kind *kind,
                       struct error *err) {
    enum status status = admit(request, kind, err);
    count_rejected(service_of(request), status);
    return status;
}

/* ---- the ways out that are no answer ---- */

void work_reply_faults(struct work *work) {
    enum status status = work->faults->list[0].status;
    if (status == STATUS_OVERLOADED)
        work->faults->retry_after_s = admission_retry_after_s(work->service, work->version);
    count_rejected(work->service, status);
    problem_reply_faults(work->request, work->faults);
}

void work_reply_fault(struct work *work, enum status status, const char *field,
                      const struct error *err) {
    faults_init(work->faults);
    faults_add_error(work->faults, status, field, err);
    work_reply_faults(work);
}

void work_reply_full(struct work *work) {
    work_reply_fault(work, STATUS_OVERLOADED, NULL, &(struct error){""});
}

bool work_replied_to_nobody(struct work *work) {
    if (atomic_load(&work->abandoned)) {
        http_reply_empty(work->request, CLIENT_LEFT, NULL);
        return true;
    }
    if (clock_monotonic_us() > work->deadline_us) {
        work_reply_fault(work, STATUS_DEADLINE_EXCEEDED, NULL, &(struct error){""});
        return true;
    }
    return false;
}

void work_answer(struct work *work, char *text, size_t size, const struct timing *timings) {
    if (!text) {
        work_reply_fault(work, STATUS_INTERNAL, NULL,
                         &(struct error){"out of memory for an answer"});
        return;
    }
    char stages[TIMINGS_HEADER_SIZE];
    timings_write_header(stages, timings);
    const struct http_header headers[] = {{"Server-Timing", stages}, {NULL, NULL}};
    timings_observe(work->service->metrics, timings);
    http_reply_take(work->request, 200, "application/json", text, size, headers);
}

/* ---- going out ---- */

bool work_acquire(struct work *work, const char *model) {
    struct error err;
    enum status status = registry_acquire(work->service->registry, model, &work->version, &err);
    if (status != STATUS_OK)
        work_reply_fault(work, status, "model", &err);
    return status == STATUS_OK;
}

bool work_reserve(struct work *work, size_t tasks) {
    bool reserved = service_reserve(work->service, tasks);
    if (reserved)
        work->tasks += tasks;
    else
        work_reply_full(work);
    return reserved;
}

bool work_take_on(struct work *work, size_t photographs, size_t ahead) {
    struct service *service = work->service;
    if (!batcher_has_room(service->batcher, work->version) ||
        !admission_in_time(service, work->version, ahead, work->deadline_us)) {
        work_reply_full(work);
        return false;
    }
    work->photographs += photographs;
    service->photographs += photographs;
    work->version->coming += photographs;
    return true;
}

void work_unreserve(struct work *work, size_t tasks) {
    assert(tasks <= work->tasks);
    work->tasks -= tasks;
    service_unreserve(work->service, tasks);
}

void work_drop_body(struct work *work) {
    http_request_drop_body(work->request);
    work->service->bodies_bytes -= work->body_bytes;
    work->body_bytes = 0;
}

void work_suspend(struct work *work) {
    if (!work->suspended)
        http_request_suspend(work->request);
    work->suspended = true;
}

static void ran(struct loop_message *message) {
    struct work *work = (struct work *)((char *)message - offsetof(struct work, message));
    work->done(work);
}

static void run_task(struct pool_task *task, void *context) {
    (void)context;
    struct work *work = (struct work *)((char *)task - offsetof(struct work, task));
    work->run(work);
    loop_post(work->service->loop, &work->message);
}

void work_run(struct work *work, void (*run)(struct work *work), void (*done)(struct work *work)) {
    assert(work->tasks > 0);
    work->run = run;
    work->done = done;
    work->task.run = run_task;
    work->message.run = ran;
    work_suspend(work);
    bool queued = pool_submit_ahead(work->service->pool, &work->task);
    assert(queued);
    (void)queued;
}

/* ---- the body ---- */

static void begin(struct work *work) {
    if (work_replied_to_nobody(work))
        return;
    if (work->faults->count > 0)
        work_reply_faults(work);
    else if (!work->kind->choose(work))
        return;
    else if (attempt_wanted(work))
        attempt_begin(work);
    else
        work->kind->begin(work);
}

/* Nobody waits, or too long: it is not parsed, and begin() says why. */
static void read_json(struct work *work) {
    size_t size;
    const uint8_t *json = http_request_body(work->request, &size);
    if (atomic_load(&work->abandoned) || clock_monotonic_us() > work->deadline_us)
        return;
    body_read_json(json, size, work->service->options.limits.image.bytes_max, work->kind->shape,
                   &work->body, work->faults);
    if (work->faults->count == 0 && work->kind->read)
        work->kind->read(work);
}

/* Most of what was set aside for reading it is another request's from here on. */
static void hold_what_was_read(struct work *work) {
    size_t size;
    (void)http_request_body(work->request, &size);
    size_t bytes = admission_read_json_bytes(size);
    assert(bytes <= work->body_bytes);
    work->service->bodies_bytes -= work->body_bytes - bytes;
    work->body_bytes = bytes;
}

static void json_read(struct work *work) {
    work_unreserve(work, 1);
    hold_what_was_read(work);
    begin(work);
}

void work_finish(struct http_request *request) {
    struct work *work = http_request_state(request);
    if (work_replied_to_nobody(work)) /* the body took longer than the caller waits */
        return;
    if (http_request_body_kind(request) == HTTP_BODY_JSON) {
        if (work_reserve(work, 1))
            work_run(work, read_json, json_read);
        return;
    }
    const struct http_part *parts;
    size_t count = http_request_parts(request, &parts);
    body_read_multipart(parts, count, work->kind->shape, &work->body, work->faults);
    begin(work);
}

/* ---- the end ---- */

void work_abandon(struct http_request *request) {
    struct work *work = http_request_state(request);
    atomic_store(&work->abandoned, true);
}

void work_release(struct http_request *request) {
    struct work *work = http_request_state(request);
    if (!work)
        return;
    struct service *service = work->service;
    const struct work_kind *kind = work->kind;
    attempt_release(work);
    if (kind->release)
        kind->release(work);
    body_release(&work->body);
    work_unreserve(work, work->tasks);
    service->photographs -= work->photographs;
    if (work->version)
        work->version->coming -= work->photographs;
    service->bodies_bytes -= work->body_bytes;
    if (work->version)
        registry_release(service->registry, work->version);
    explicit_bzero(work, kind->size);
    free(work);
    wipe_stack();
}
