/* POST /v1/verify, from the header to the embeddings. The steps, in order, with their threads:
 *
 *   verify_admit      loop    from the header alone: room for the body and the work, the deadline
 *   verify_finish     loop    the body is here; a multipart one is read at once
 *   read_json         pool    a JSON one is parsed and its base64 decoded (up to 29 MiB of text)
 *   begin             loop    faults of the body; the model; the rule; two tasks
 *   prepare_photo     pool    twice, side by side: decode, detect, align
 *   photo_returned    loop    when both are back: both photographs' faults, or into the batcher
 *   pair_done         worker  embedded, refused or too late
 *   pair_returned     loop    verify_answer, or the fault
 *
 * Work goes out through two bounded queues and comes back by loop_post(); the struct is freed in
 * verify_release, which the server calls after the reply, and the reply is made only when nothing
 * is out. Both tasks of a request are queued or neither: only the loop pushes, so the room that it
 * sees cannot shrink before it is used. A deadline is looked at whenever a step begins: work past
 * it is not started, work that has started is finished and answered.
 */
#include "api/verify.h"

#include "api/number.h"
#include "api/problem.h"
#include "server/clock.h"
#include "server/http/reply.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* nginx's word for a client that left before its answer; only logs and metrics see it. */
enum { CLIENT_LEFT = 499 };

/* prepare_us follows the last measurements with this weight. */
#define PREPARE_MEAN_WEIGHT 0.05

static struct service *service_of(const struct http_request *request) {
    return http_request_application(request)->context;
}

static void count_rejected(struct service *service, enum status status) {
    if (status_http(status) > 500)
        metrics_add(service->metrics, METRIC_REJECTED, 1, status_code(status));
}

/* ---- admission ---- */

static enum status read_timeout(const struct http_request *request, uint64_t *timeout_ms,
                                struct error *err) {
    const char *text = http_request_header(request, "X-Request-Timeout-Ms");
    *timeout_ms = service_of(request)->options.limits.timeout_ms;
    if (text && !number_parse_integer(text, TIMEOUT_MS_MIN, TIMEOUT_MS_MAX, timeout_ms))
        return error_set(err, STATUS_INVALID_HEADER,
                         "X-Request-Timeout-Ms must be a whole number from %d to %d.",
                         TIMEOUT_MS_MIN, TIMEOUT_MS_MAX);
    return STATUS_OK;
}

/* What the request may come to hold: its body and, with base64, the decoded files. A body of
 * undeclared length counts as the largest. */
static size_t bytes_to_set_aside(const struct http_request *request) {
    const struct service_limits *limits = &service_of(request)->options.limits;
    bool json = http_request_body_kind(request) == HTTP_BODY_JSON;
    size_t most = json ? limits->json_bytes_max : limits->multipart_bytes_max;
    const char *text = http_request_header(request, "Content-Length");
    uint64_t declared = 0;
    if (!text || !number_parse_integer(text, 0, most, &declared))
        declared = most;
    return (size_t)(json ? declared + declared / 4 * 3 : declared);
}

static bool has_room(const struct service *service, size_t bytes) {
    struct queue *queue = pool_queue(service->pool);
    return queue_length(queue) + 2 <= queue_capacity(queue) &&
           service->bodies_bytes + bytes <= service->options.limits.bodies_bytes_max;
}

static enum status admit(struct http_request *request, struct error *err) {
    struct service *service = service_of(request);
    uint64_t timeout_ms;
    enum status status = read_timeout(request, &timeout_ms, err);
    if (status != STATUS_OK)
        return status;
    if (service->draining)
        return error_set(err, STATUS_DRAINING, "draining");
    size_t bytes = bytes_to_set_aside(request);
    if (!has_room(service, bytes))
        return error_set(err, STATUS_OVERLOADED, "no room for another request");
    struct verify *verify = malloc(sizeof *verify);
    if (!verify)
        return error_set(err, STATUS_INTERNAL, "out of memory for a request");
    memset(verify, 0, offsetof(struct verify, faults));
    verify->faults.count = 0;
    verify->service = service;
    verify->request = request;
    verify->body_bytes = bytes;
    verify->deadline_us = http_request_started_us(request) + timeout_ms * 1000;
    service->bodies_bytes += bytes;
    http_request_set_state(request, verify);
    return STATUS_OK;
}

enum status verify_admit(struct http_request *request, struct error *err) {
    enum status status = admit(request, err);
    count_rejected(service_of(request), status);
    return status;
}

/* ---- the ways out that are no answer ---- */

static void reply_faults(struct verify *verify) {
    count_rejected(verify->service, verify->faults.list[0].status);
    problem_reply_faults(verify->request, &verify->faults);
}

static void reply_fault(struct verify *verify, enum status status, const char *field,
                        const struct error *err) {
    verify->faults.count = 0;
    faults_add_error(&verify->faults, status, field, err);
    reply_faults(verify);
}

static void reply_late_or_full(struct verify *verify, enum status status) {
    reply_fault(verify, status, NULL, &(struct error){""});
}

/* True when nobody waits for the answer, or too long: then it has been replied. */
static bool replied_to_nobody(struct verify *verify) {
    if (atomic_load(&verify->abandoned)) {
        http_reply_empty(verify->request, CLIENT_LEFT, NULL);
        return true;
    }
    if (clock_monotonic_us() > verify->deadline_us) {
        reply_late_or_full(verify, STATUS_DEADLINE_EXCEEDED);
        return true;
    }
    return false;
}

static void suspend(struct verify *verify) {
    if (!verify->suspended)
        http_request_suspend(verify->request);
    verify->suspended = true;
}

/* ---- the device worker ---- */

static struct verify *verify_of_pair(struct batch_pair *pair) {
    return (struct verify *)((char *)pair - offsetof(struct verify, pair));
}

static struct verify *verify_of_message(struct loop_message *message) {
    return (struct verify *)((char *)message - offsetof(struct verify, message));
}

static void pair_returned(struct loop_message *message) {
    struct verify *verify = verify_of_message(message);
    if (atomic_load(&verify->abandoned))
        (void)replied_to_nobody(verify);
    else if (verify->pair.status == STATUS_OK)
        verify_answer(verify);
    else
        reply_fault(verify, verify->pair.status, NULL, &verify->pair.error);
}

/* The chips are overwritten here, where they were last read, so that the loop need not. */
static void pair_done(struct batch_pair *pair) {
    struct verify *verify = verify_of_pair(pair);
    explicit_bzero(verify->inputs, 2 * verify->input_values * sizeof(float));
    verify->input_values = 0;
    verify->message.run = pair_returned;
    loop_post(verify->service->loop, &verify->message);
}

static void submit_pair(struct verify *verify) {
    struct batch_pair *pair = &verify->pair;
    pair->version = verify->version;
    pair->faces = verify->inputs;
    pair->embeddings = verify->embeddings;
    pair->deadline_us = verify->deadline_us;
    pair->done = pair_done;
    if (!batcher_submit(verify->service->batcher, pair))
        reply_late_or_full(verify, STATUS_OVERLOADED);
}

/* ---- the preparation pool ---- */

/* A fault of the service's own goes alone: it says nothing of the photographs. */
static void collect_photo_faults(struct verify *verify) {
    for (int i = 0; i < 2; i++) {
        const struct verify_photo *photo = &verify->photos[i];
        if (status_http(photo->status) >= 500) {
            verify->faults.count = 0;
            faults_add_error(&verify->faults, photo->status, NULL, &photo->error);
            return;
        }
        if (photo->status != STATUS_OK)
            faults_add_error(&verify->faults, photo->status, VERIFY_IMAGE_FIELDS[i], &photo->error);
    }
}

static void observe_photo(struct service *service, const struct verify_photo *photo) {
    const struct prepared *prepared = &photo->prepared;
    if (photo->status == STATUS_DEADLINE_EXCEEDED)
        return;
    metrics_add(service->metrics, METRIC_IMAGES, 1, status_code(photo->status));
    double took_us = (double)(photo->done_us - photo->taken_us);
    service->prepare_us += (took_us - service->prepare_us) * PREPARE_MEAN_WEIGHT;
    if (photo->status != STATUS_OK)
        return;
    metrics_observe(service->metrics, METRIC_STAGE_DURATION, (double)prepared->decode_us / 1e6,
                    "decode");
    metrics_observe(service->metrics, METRIC_STAGE_DURATION, (double)prepared->detect_us / 1e6,
                    "detect");
    metrics_observe(service->metrics, METRIC_STAGE_DURATION, (double)prepared->align_us / 1e6,
                    "align");
}

static void photo_returned(struct loop_message *message) {
    struct verify_photo *photo =
        (struct verify_photo *)((char *)message - offsetof(struct verify_photo, message));
    struct verify *verify = photo->verify;
    observe_photo(verify->service, photo);
    assert(verify->photos_waiting > 0);
    if (--verify->photos_waiting > 0)
        return;
    verify->prepared_us = clock_monotonic_us();
    if (replied_to_nobody(verify))
        return;
    collect_photo_faults(verify);
    if (verify->faults.count > 0)
        reply_faults(verify);
    else
        submit_pair(verify);
}

static void prepare_photo(struct pool_task *task, void *context) {
    struct verify_photo *photo = (struct verify_photo *)task;
    struct verify *verify = photo->verify;
    struct verify_image *image = &verify->body.images[photo->index];
    photo->taken_us = clock_monotonic_us();
    if (atomic_load(&verify->abandoned) || photo->taken_us > verify->deadline_us)
        photo->status = STATUS_DEADLINE_EXCEEDED;
    else
        photo->status = prepare_face(
            context, &verify->version->card.input, &verify->service->options.limits.image,
            image->bytes, image->size, verify->body.options.face[photo->index], PREPARE_REJECT,
            verify->inputs + photo->index * verify->input_values, &photo->prepared, &photo->error);
    verify_image_release(image);
    photo->done_us = clock_monotonic_us();
    loop_post(verify->service->loop, &photo->message);
}

static enum status allocate(struct verify *verify) {
    const struct card *card = &verify->version->card;
    verify->input_values = (size_t)3 * card->input.side * card->input.side;
    verify->inputs = malloc(2 * verify->input_values * sizeof(float));
    verify->embeddings = calloc(2 * (size_t)card->embedding_length, sizeof(float));
    return verify->inputs && verify->embeddings ? STATUS_OK : STATUS_INTERNAL;
}

static void submit_photos(struct verify *verify) {
    struct queue *queue = pool_queue(verify->service->pool);
    if (queue_length(queue) + 2 > queue_capacity(queue)) {
        reply_late_or_full(verify, STATUS_OVERLOADED);
        return;
    }
    if (allocate(verify) != STATUS_OK) {
        reply_fault(verify, STATUS_INTERNAL, NULL, &(struct error){"out of memory for two chips"});
        return;
    }
    suspend(verify);
    verify->photos_waiting = 2;
    for (unsigned i = 0; i < 2; i++) {
        struct verify_photo *photo = &verify->photos[i];
        photo->task.run = prepare_photo;
        photo->message.run = photo_returned;
        photo->verify = verify;
        photo->index = i;
        bool queued = pool_submit(verify->service->pool, &photo->task);
        assert(queued);
        (void)queued;
    }
}

/* ---- the body ---- */

static enum status choose_rule(struct verify *verify, struct error *err) {
    const struct verify_options *options = &verify->body.options;
    if (options->given[OPTION_THRESHOLD]) {
        verify->decision = decision_by_threshold(options->threshold);
        return STATUS_OK;
    }
    double max_fmr = options->given[OPTION_MAX_FMR] ? options->max_fmr
                                                    : verify->service->options.default_max_fmr;
    return decision_by_max_fmr(&verify->version->card, max_fmr, &verify->decision, err);
}

static void begin(struct verify *verify) {
    const struct verify_options *options = &verify->body.options;
    struct error err;
    if (verify->faults.count > 0) {
        reply_faults(verify);
        return;
    }
    enum status status = registry_acquire(verify->service->registry,
                                          options->given[OPTION_MODEL] ? options->model : NULL,
                                          &verify->version, &err);
    if (status != STATUS_OK) {
        reply_fault(verify, status, "model", &err);
        return;
    }
    status = choose_rule(verify, &err);
    if (status != STATUS_OK) {
        reply_fault(verify, status, "max_fmr", &err);
        return;
    }
    if (!replied_to_nobody(verify))
        submit_photos(verify);
}

static void json_read(struct loop_message *message) {
    struct verify *verify = verify_of_message(message);
    if (!replied_to_nobody(verify))
        begin(verify);
}

static void read_json(struct pool_task *task, void *context) {
    (void)context;
    struct verify *verify = (struct verify *)((char *)task - offsetof(struct verify, read_task));
    size_t size;
    const uint8_t *json = http_request_body(verify->request, &size);
    if (!atomic_load(&verify->abandoned))
        verify_body_json(json, size, verify->service->options.limits.image.bytes_max, &verify->body,
                         &verify->faults);
    loop_post(verify->service->loop, &verify->message);
}

void verify_finish(struct http_request *request) {
    struct verify *verify = http_request_state(request);
    if (http_request_body_kind(request) == HTTP_BODY_JSON) {
        verify->read_task.run = read_json;
        verify->message.run = json_read;
        suspend(verify);
        if (!pool_submit(verify->service->pool, &verify->read_task))
            reply_late_or_full(verify, STATUS_OVERLOADED);
        return;
    }
    const struct http_part *parts;
    size_t count = http_request_parts(request, &parts);
    verify_body_multipart(parts, count, &verify->body, &verify->faults);
    begin(verify);
}

void verify_abandon(struct http_request *request) {
    struct verify *verify = http_request_state(request);
    atomic_store(&verify->abandoned, true);
    atomic_store(&verify->pair.abandoned, true);
}

void verify_release(struct http_request *request) {
    struct verify *verify = http_request_state(request);
    if (!verify)
        return;
    struct service *service = verify->service;
    service->bodies_bytes -= verify->body_bytes;
    for (int i = 0; i < 2; i++)
        verify_image_release(&verify->body.images[i]);
    if (verify->inputs)
        explicit_bzero(verify->inputs, 2 * verify->input_values * sizeof(float));
    if (verify->embeddings)
        explicit_bzero(verify->embeddings,
                       2 * (size_t)verify->version->card.embedding_length * sizeof(float));
    if (verify->version)
        registry_release(service->registry, verify->version);
    free(verify->inputs);
    free(verify->embeddings);
    explicit_bzero(verify, offsetof(struct verify, faults));
    free(verify);
}
