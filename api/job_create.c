/* POST /admin/v1/fine-tunes, …/evaluations and …/calibrations.
 *
 *   jobs_create  loop  the body and the key are looked at: every fault of them is told together
 *   work         disk  the models are found; the store looks at the data set and makes the job
 *   answer       loop  202, or the answer that the same key was given before
 *
 * The answer is written before the job is, since it is kept with the key. */
#include "api/jobs.h"

#include "api/authorize.h"
#include "api/errand.h"
#include "api/job_body.h"
#include "api/job_json.h"
#include "api/job_route.h"
#include "api/problem.h"
#include "api/scopes.h"
#include "api/send.h"
#include "api/supervisor.h"
#include "model/digest.h"
#include "model/json.h"
#include "model/store/datasets.h"
#include "server/clock.h"
#include "server/http/reply.h"
#include "server/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 255 };

struct job_creation {
    struct errand errand; /* first */
    struct job_body body;
    char key[KEY_MAX + 1]; /* "": none */
    char body_sha256[DIGEST_TEXT_SIZE];
    char id[UID_SIZE];
    char *text, *first; /* the answer; that of an earlier request with this key; owned */
};

static struct job_creation *of(struct errand *errand) { return (struct job_creation *)errand; }

static void release(struct errand *errand) {
    free(of(errand)->text);
    free(of(errand)->first);
}

/* ---- the job ---- */

static enum status write_answer(struct job_creation *creation, const char *spec,
                                uint64_t created_ms, struct error *err) {
    const struct job_body *body = &creation->body;
    struct store_dataset dataset;
    enum status status =
        store_dataset_get(creation->errand.service->store, body->dataset, &dataset, err);
    if (status != STATUS_OK)
        return status;
    struct store_job job = {.kind = body->kind,
                            .state = JOB_QUEUED,
                            .created_ms = created_ms,
                            .attempt = 1,
                            .spec = (char *)(uintptr_t)spec,
                            .promotion = body->promote ? PROMOTION_WISHED : PROMOTION_NONE};
    memcpy(job.id, creation->id, sizeof job.id);
    memcpy(job.base_model, body->base_model, sizeof job.base_model);
    memcpy(job.base_version, body->base_version, sizeof job.base_version);
    snprintf(job.dataset, sizeof job.dataset, "%s", dataset.name);
    snprintf(job.dataset_sha256, sizeof job.dataset_sha256, "%s", dataset.sha256);
    snprintf(job.resume_from, sizeof job.resume_from, "%.*s", (int)sizeof job.resume_from - 1,
             body->resume_from ? body->resume_from : "");
    (void)json_lacked_memory();
    creation->text = send_json_text(job_json(&job, true));
    return creation->text ? STATUS_OK : error_set(err, STATUS_INTERNAL, "out of memory for a job");
}

static struct store_once once_of(const struct job_creation *creation) {
    const struct http_request *request = creation->errand.request;
    const char *key = http_request_caller(request);
    return (struct store_once){.caller = key[0] ? key : http_request_certificate(request),
                               .route = job_route_path(request),
                               .key = creation->key,
                               .body_sha256 = creation->body_sha256,
                               .answer = creation->text};
}

static enum status create(struct job_creation *creation, const char *spec, uint64_t created_ms,
                          struct error *err) {
    const struct job_body *body = &creation->body;
    const struct store_once once = once_of(creation);
    const struct store_new_job job = {
        .id = creation->id,
        .created_ms = created_ms,
        .kind = body->kind,
        .base_model = body->base_model,
        .base_version = body->base_version,
        .dataset = body->dataset,
        .resume_from = body->resume_from,
        .spec = spec,
        .promote = body->promote,
        .queued_max = JOBS_QUEUED_MAX,
    };
    return store_job_create(creation->errand.service->store, &job, creation->key[0] ? &once : NULL,
                            &creation->first, err);
}

/* What was answered is answered again, though the model and the data set be gone. */
static enum status find_first(struct job_creation *creation, struct error *err) {
    const struct store_once once = once_of(creation);
    return creation->key[0]
               ? store_job_answered(creation->errand.service->store, &once, &creation->first, err)
               : STATUS_OK;
}

static enum status work(struct errand *errand, struct error *err) {
    struct job_creation *creation = of(errand);
    enum status found = find_first(creation, err);
    if (found != STATUS_OK || creation->first)
        return found;
    uint64_t created_ms = clock_wall_ms();
    enum status status =
        job_body_settle(&creation->body, errand->service->options.data_directory, err);
    if (status != STATUS_OK)
        return status;
    char *spec = job_body_write(&creation->body);
    if (!spec)
        return error_set(err, STATUS_INTERNAL, "out of memory for a job");
    uid_make(job_kind_prefix(creation->body.kind), creation->id);
    status = write_answer(creation, spec, created_ms, err);
    if (status == STATUS_OK)
        status = create(creation, spec, created_ms, err);
    free(spec);
    return status;
}

/* Both answers, the first and a repeated one, tell the job's id. */
static void send_text(struct http_request *request, char *text, const char *id) {
    char location[JOB_ROUTE_PATH_SIZE + 1 + UID_SIZE];
    snprintf(location, sizeof location, "%s/%s", job_route_path(request), id);
    const struct http_header headers[] = {{"Location", location}, {NULL, NULL}};
    http_reply_take(request, 202, "application/json", text, strlen(text), headers);
}

static void answer(struct errand *errand) {
    struct job_creation *creation = of(errand);
    json_t *first = creation->first ? json_loads(creation->first, 0, NULL) : NULL;
    const char *id = json_string_value(json_object_get(first, "id"));
    char **text = creation->first ? &creation->first : &creation->text;
    if (!creation->first)
        log_event(LOG_INFO, "job_created", LOG_STR("job", creation->id),
                  LOG_STR("model", job_body_model(&creation->body)),
                  LOG_STR("dataset", creation->body.dataset),
                  LOG_STR("request_id", http_request_id(errand->request)));
    supervisor_wake(errand->service->supervisor);
    char *sent = *text;
    *text = NULL;
    send_text(errand->request, sent, id ? id : creation->id);
    json_decref(first);
}

/* ---- what was sent ---- */

static void take_key(const struct http_request *request, struct job_creation *creation,
                     struct faults *faults) {
    const char *key = http_request_header(request, "Idempotency-Key");
    if (!key)
        return;
    size_t size = strlen(key);
    bool printable = size >= 1 && size <= KEY_MAX;
    for (size_t i = 0; i < size && printable; i++)
        printable = key[i] >= 0x20 && key[i] < 0x7f;
    if (printable)
        memcpy(creation->key, key, size + 1);
    else
        faults_add(faults, STATUS_INVALID_HEADER, "Idempotency-Key",
                   "Idempotency-Key has 1 to %d printable ASCII characters.", KEY_MAX);
}

static void take_body(const struct http_request *request, struct job_creation *creation,
                      struct faults *faults) {
    size_t size;
    const uint8_t *bytes = http_request_body(request, &size);
    digest_bytes(bytes ? (const void *)bytes : "", size, creation->body_sha256);
    job_body_take(job_route_kind(request), bytes, size, &creation->body, faults);
}

/* To promote what a job makes is to promote. */
static void check_promotion(const struct http_request *request, const struct job_creation *creation,
                            struct faults *faults) {
    if (creation->body.promote && !authorize_has(request, SCOPE_MODELS_PROMOTE))
        faults_add(faults, STATUS_INSUFFICIENT_SCOPE, "promote",
                   "The key lacks the scope models:promote.");
}

void jobs_create(struct http_request *request) {
    static const struct errand_kind CREATE = {work, answer, release};
    struct faults faults;
    faults_init(&faults);
    struct job_creation *creation = errand_create(request, &CREATE, sizeof *creation);
    if (!creation)
        return;
    take_body(request, creation, &faults);
    check_promotion(request, creation, &faults);
    take_key(request, creation, &faults);
    if (faults.count > 0)
        problem_reply_faults(request, &faults);
    else
        errand_send(&creation->errand);
}
