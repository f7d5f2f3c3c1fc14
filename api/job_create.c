/* POST /admin/v1/fine-tunes.
 *
 *   jobs_create  loop  the body and the key are looked at: every fault of them is told together
 *   work         disk  the models are found, and become NAME@VERSION, so that what the job means is
 *                      settled now; the store looks at the data set and makes the job
 *   answer       loop  202, or the answer that the same key was given before
 *
 * The answer is written before the job is, since it is kept with the key. */
#include "api/jobs.h"

#include "api/authorize.h"
#include "api/errand.h"
#include "api/job_json.h"
#include "api/problem.h"
#include "api/scopes.h"
#include "api/send.h"
#include "api/supervisor.h"
#include "model/catalog.h"
#include "model/cause.h"
#include "model/digest.h"
#include "model/finetune/spec.h"
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
    struct finetune_spec spec;
    char key[KEY_MAX + 1]; /* "": none */
    char body_sha256[DIGEST_TEXT_SIZE];
    char base_model[STORE_NAME_SIZE], base_version[STORE_VERSION_SIZE];
    char id[UID_SIZE];
    char *text, *first; /* the answer; that of an earlier request with this key; owned */
};

static struct job_creation *of(struct errand *errand) { return (struct job_creation *)errand; }

static void release(struct errand *errand) {
    free(of(errand)->text);
    free(of(errand)->first);
}

/* ---- models ---- */

/* "NAME" becomes "NAME@VERSION" by its active version. *card: the version's; the caller's. */
static enum status settle_model(const char *data, char reference[SPEC_MODEL_MAX + 1],
                                struct card *card, struct error *err) {
    char name[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1], directory[PATH_MAX];
    struct error why;
    if (!catalog_parse(reference, name, version))
        return error_set(err, STATUS_INVALID_NAME, "%s", CATALOG_REFERENCE_RULE);
    if (!version[0] && catalog_active(data, name, version, NULL) != STATUS_OK)
        return error_set(err, STATUS_UNKNOWN_MODEL, "There is no model %s.", name);
    if (!catalog_has(data, name, version))
        return error_set(err, STATUS_UNKNOWN_MODEL, "There is no version %s of a model %s.",
                         version, name);
    enum status status = catalog_directory(data, name, version, directory, err);
    if (status != STATUS_OK)
        return status;
    if (card_read(directory, card, &why) != STATUS_OK) {
        cause_without_path(why.detail, directory, err);
        return STATUS_NOT_TRAINABLE;
    }
    snprintf(reference, SPEC_MODEL_MAX + 1, "%s@%s", name, version);
    return STATUS_OK;
}

static enum status settle_base(struct job_creation *creation, const char *data, struct error *err) {
    struct card card;
    enum status status = settle_model(data, creation->spec.base_model, &card, err);
    if (status != STATUS_OK)
        return status;
    if (strcmp(card.architecture, "torchscript") == 0)
        status = error_set(err, STATUS_NOT_TRAINABLE,
                           "%s is a program (torchscript): it runs as it is and learns nothing.",
                           creation->spec.base_model);
    snprintf(creation->base_model, sizeof creation->base_model, "%s", card.name);
    snprintf(creation->base_version, sizeof creation->base_version, "%s", card.version);
    card_release(&card);
    return status;
}

static enum status settle_compared(struct job_creation *creation, const char *data,
                                   struct error *err) {
    struct card card;
    if (!creation->spec.compare_to[0]) {
        memcpy(creation->spec.compare_to, creation->spec.base_model,
               sizeof creation->spec.compare_to);
        return STATUS_OK;
    }
    enum status status = settle_model(data, creation->spec.compare_to, &card, err);
    if (status == STATUS_OK)
        card_release(&card);
    return status == STATUS_NOT_TRAINABLE ? STATUS_NOT_LOADABLE : status;
}

/* ---- the job ---- */

static enum status write_answer(struct job_creation *creation, const char *spec,
                                uint64_t created_ms, struct error *err) {
    struct store_dataset dataset;
    enum status status =
        store_dataset_get(creation->errand.service->store, creation->spec.dataset, &dataset, err);
    if (status != STATUS_OK)
        return status;
    struct store_job job = {.kind = JOB_FINE_TUNE,
                            .state = JOB_QUEUED,
                            .created_ms = created_ms,
                            .attempt = 1,
                            .spec = (char *)(uintptr_t)spec};
    job.promotion =
        creation->spec.promote == FINETUNE_PROMOTE_IF_BETTER ? PROMOTION_WISHED : PROMOTION_NONE;
    snprintf(job.id, sizeof job.id, "%s", creation->id);
    snprintf(job.base_model, sizeof job.base_model, "%s", creation->base_model);
    snprintf(job.base_version, sizeof job.base_version, "%s", creation->base_version);
    snprintf(job.dataset, sizeof job.dataset, "%s", dataset.name);
    snprintf(job.dataset_sha256, sizeof job.dataset_sha256, "%s", dataset.sha256);
    snprintf(job.resume_from, sizeof job.resume_from, "%.*s", (int)sizeof job.resume_from - 1,
             creation->spec.resume_from);
    json_t *root = job_json(&job, true);
    creation->text = root ? json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(root);
    return creation->text ? STATUS_OK : error_set(err, STATUS_INTERNAL, "out of memory for a job");
}

static enum status create(struct job_creation *creation, const char *spec, uint64_t created_ms,
                          struct error *err) {
    const struct store_once once = {.caller = http_request_caller(creation->errand.request),
                                    .route = JOBS_PATH,
                                    .key = creation->key,
                                    .body_sha256 = creation->body_sha256,
                                    .answer = creation->text};
    const struct store_new_job job = {
        .id = creation->id,
        .created_ms = created_ms,
        .kind = JOB_FINE_TUNE,
        .base_model = creation->base_model,
        .base_version = creation->base_version,
        .dataset = creation->spec.dataset,
        .resume_from = creation->spec.resume_from[0] ? creation->spec.resume_from : NULL,
        .spec = spec,
        .promote = creation->spec.promote == FINETUNE_PROMOTE_IF_BETTER,
        .queued_max = JOBS_QUEUED_MAX,
    };
    return store_job_create(creation->errand.service->store, &job, creation->key[0] ? &once : NULL,
                            &creation->first, err);
}

static enum status work(struct errand *errand, struct error *err) {
    struct job_creation *creation = of(errand);
    const char *data = errand->service->options.data_directory;
    uint64_t created_ms = clock_wall_ms();
    enum status status = settle_base(creation, data, err);
    if (status == STATUS_OK)
        status = settle_compared(creation, data, err);
    if (status != STATUS_OK)
        return status;
    size_t size;
    char *spec = finetune_spec_write(&creation->spec, &size);
    if (!spec)
        return error_set(err, STATUS_INTERNAL, "out of memory for a job");
    uid_make(UID_FINE_TUNE, creation->id);
    status = write_answer(creation, spec, created_ms, err);
    if (status == STATUS_OK)
        status = create(creation, spec, created_ms, err);
    free(spec);
    return status;
}

/* Both answers, the first and a repeated one, tell the job's id. */
static void send_text(struct http_request *request, char *text, const char *id) {
    char location[sizeof JOBS_PATH + 1 + UID_SIZE];
    snprintf(location, sizeof location, "%s/%s", JOBS_PATH, id);
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
                  LOG_STR("model", creation->spec.base_model),
                  LOG_STR("dataset", creation->spec.dataset),
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
    struct spec_faults wrong = {0};
    size_t size;
    const uint8_t *body = http_request_body(request, &size);
    digest_bytes(body ? (const void *)body : "", size, creation->body_sha256);
    if (finetune_spec_parse(body ? (const char *)body : "", size, &creation->spec, &wrong))
        return;
    for (size_t i = 0; i < wrong.count; i++)
        faults_add(faults, wrong.list[i].status,
                   wrong.list[i].field[0] ? wrong.list[i].field : NULL, "%s", wrong.list[i].detail);
}

/* To promote what a job makes is to promote. */
static void check_promotion(const struct http_request *request, const struct job_creation *creation,
                            struct faults *faults) {
    if (creation->spec.promote == FINETUNE_PROMOTE_IF_BETTER &&
        !authorize_has(request, SCOPE_MODELS_PROMOTE))
        faults_add(faults, STATUS_INSUFFICIENT_SCOPE, "promote",
                   "The key lacks the scope models:promote.");
}

void jobs_create(struct http_request *request) {
    struct faults faults;
    faults_init(&faults);
    struct job_creation *creation = errand_create(request, sizeof *creation);
    if (!creation)
        return;
    creation->errand.work = work;
    creation->errand.answer = answer;
    creation->errand.release = release;
    take_body(request, creation, &faults);
    check_promotion(request, creation, &faults);
    take_key(request, creation, &faults);
    if (faults.count > 0)
        problem_reply_faults(request, &faults);
    else
        errand_send(&creation->errand);
}
