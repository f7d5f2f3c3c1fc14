/* PUT /admin/v1/datasets/NAME.
 *
 *   admit    loop    name and parameters, before a byte is read; one of the upload threads is taken
 *   take     loop    pieces go to the upload (api/upload.h), which unpacks them beside its folder
 *   finish   loop    the body is complete
 *   on_done  loop    refused: answered at once, wherever the body stands. Unpacked: when the body
 *                    is complete too, the disk thread takes over
 *   work     disk    is there one of this name? If not, the folder gets its name and the store a
 * row
 *
 * The content is known only once all of it was there, so only then is it the same as before or
 * another. A client that leaves before the end has changed nothing. */
#include "api/datasets.h"

#include "api/dataset_json.h"
#include "api/errand.h"
#include "api/problem.h"
#include "api/remover.h"
#include "api/send.h"
#include "api/supervisor.h"
#include "api/upload.h"
#include "model/card.h"
#include "server/clock.h"
#include "server/log.h"

#include <stdio.h>
#include <string.h>

const char *const DATASETS_QUERY_UPLOAD[] = {"purpose", "retain_until", NULL};
const char *const DATASETS_TYPES[] = {"application/x-tar",        "application/gzip",
                                      "application/x-gzip",       "application/zstd",
                                      "application/octet-stream", NULL};

struct dataset_upload {
    struct errand errand;                /* first */
    struct dataset_upload *next, **link; /* of the service's, while the body comes */
    struct upload *upload;
    bool complete, unpacked; /* the body; the archive */
    bool created;            /* and not the same as one that is there */
    struct store_dataset dataset;
};

static struct dataset_upload *of(const struct http_request *request) {
    return http_request_state(request);
}

/* ---- the body ---- */

static void enlist(struct dataset_upload *put) {
    put->link = &put->errand.service->dataset_uploads;
    put->next = *put->link;
    if (put->next)
        put->next->link = &put->next;
    *put->link = put;
}

static void delist(struct dataset_upload *put) {
    if (put->link)
        *put->link = put->next;
    if (put->link && put->next)
        put->next->link = put->link;
    put->link = NULL;
}

/* A body past its limit is answered by the runtime, and the request goes on for a while. */
static bool answer_is_owed(const struct dataset_upload *put) {
    return put->link && !http_request_replied(put->errand.request);
}

/* What was unpacked is not needed. */
static void drop(struct dataset_upload *put, struct upload_outcome *outcome) {
    remover_take(put->errand.service, outcome->folder.path);
    dataset_folder_leave(&outcome->folder);
    put->unpacked = false;
}

static void release(struct errand *errand) {
    struct dataset_upload *put = (struct dataset_upload *)errand;
    delist(put);
    if (!put->upload)
        return;
    if (put->unpacked)
        drop(put, upload_outcome(put->upload));
    upload_close(put->upload);
}

static void on_room(void *context) {
    struct dataset_upload *put = context;
    http_request_continue(put->errand.request);
}

static void on_done(void *context) {
    struct dataset_upload *put = context;
    struct upload_outcome *outcome = upload_outcome(put->upload);
    put->unpacked = outcome->status == STATUS_OK;
    if (!answer_is_owed(put)) {
        delist(put);
        return;
    }
    if (!put->unpacked) {
        delist(put);
        problem_reply(put->errand.request, outcome->status, &outcome->err);
    } else if (put->complete) {
        delist(put);
        errand_send(&put->errand);
    } else {
        http_request_continue(put->errand.request);
    }
}

static enum status read_parameters(const struct http_request *request,
                                   struct store_dataset *dataset, struct error *err) {
    const char *purpose = http_request_query(request, "purpose");
    const char *retain = http_request_query(request, "retain_until");
    if (purpose && strlen(purpose) >= sizeof dataset->purpose)
        return error_set(err, STATUS_INVALID_FIELD, "purpose has at most %zu bytes.",
                         sizeof dataset->purpose - 1);
    if (retain && (!clock_parse(retain, &dataset->retain_until_ms) ||
                   dataset->retain_until_ms <= clock_wall_ms()))
        return error_set(err, STATUS_INVALID_FIELD,
                         "retain_until is a time to come, as \"2030-01-31T12:00:00Z\".");
    snprintf(dataset->purpose, sizeof dataset->purpose, "%s", purpose ? purpose : "");
    return STATUS_OK;
}

static enum status read_name(const struct http_request *request, struct store_dataset *dataset,
                             struct error *err) {
    const char *name = http_request_parameter(request);
    if (!card_name_valid(name))
        return error_set(err, STATUS_INVALID_NAME,
                         "A data set's name is of a-z, 0-9, '.', '_' and '-', at most 63 "
                         "characters, and begins with a letter or digit.");
    memcpy(dataset->name, name, strlen(name) + 1);
    return STATUS_OK;
}

/* ---- the data set ---- */

static enum status publish(struct dataset_upload *put, struct upload_outcome *outcome,
                           struct error *err) {
    struct service *service = put->errand.service;
    const char *data = service->options.data_directory;
    char gone[PATH_MAX];
    bool same;
    enum status status = dataset_folder_publish(data, &outcome->folder, put->dataset.name, err);
    if (status != STATUS_OK) {
        drop(put, outcome);
        return status;
    }
    put->unpacked = false; /* it has left the temporary folder */
    status = store_dataset_create(service->store, &put->dataset, &same, err);
    if (status != STATUS_OK &&
        dataset_folder_set_aside(data, put->dataset.name, gone, NULL) == STATUS_OK && gone[0])
        remover_take(service, gone);
    return status;
}

static enum status work(struct errand *errand, struct error *err) {
    struct dataset_upload *put = (struct dataset_upload *)errand;
    struct upload_outcome *outcome = upload_outcome(put->upload);
    struct store_dataset known;
    enum status status = store_dataset_get(errand->service->store, put->dataset.name, &known, err);
    if (status == STATUS_NOT_FOUND) {
        uid_make(UID_DATASET, put->dataset.id);
        memcpy(put->dataset.sha256, outcome->content.sha256, DIGEST_TEXT_SIZE);
        put->dataset.bytes = outcome->content.bytes;
        put->dataset.files = outcome->content.files;
        put->created = true;
        status = publish(put, outcome, err);
        if (status == STATUS_OK)
            status = store_dataset_get(errand->service->store, put->dataset.name, &known, err);
        if (status == STATUS_OK)
            put->dataset = known;
        return status;
    }
    drop(put, outcome);
    if (status != STATUS_OK)
        return status;
    if (known.state == DATASET_DELETING)
        return error_set(err, STATUS_DATASET_EXISTS,
                         "The data set %s is being deleted; send it again in a minute.",
                         put->dataset.name);
    if (strcmp(known.sha256, outcome->content.sha256) != 0)
        return error_set(err, STATUS_DATASET_EXISTS,
                         "There is a data set %s of another content; delete it first, or choose "
                         "another name.",
                         put->dataset.name);
    put->dataset = known;
    return STATUS_OK;
}

static void answer(struct errand *errand) {
    struct dataset_upload *put = (struct dataset_upload *)errand;
    char location[sizeof "/admin/v1/datasets/" + STORE_NAME_SIZE];
    snprintf(location, sizeof location, "/admin/v1/datasets/%s", put->dataset.name);
    const struct http_header headers[] = {{"Location", location}, {NULL, NULL}};
    if (put->created)
        log_event(LOG_INFO, "dataset_uploaded", LOG_STR("dataset", put->dataset.name),
                  LOG_INT("files", put->dataset.files), LOG_INT("bytes", put->dataset.bytes),
                  LOG_STR("request_id", http_request_id(errand->request)));
    supervisor_wake(errand->service->supervisor);
    send_json(errand->request, put->created ? 201 : 200, dataset_json(&put->dataset),
              put->created ? headers : NULL);
}

/* ---- the endpoint ---- */

enum status datasets_admit_upload(struct http_request *request, struct error *err) {
    enum status status = errand_admit(request, err);
    if (status != STATUS_OK)
        return status;
    static const struct errand_kind UPLOAD = {work, answer, release};
    struct dataset_upload *put = errand_make(request, &UPLOAD, sizeof *put);
    if (!put)
        return error_set(err, STATUS_INTERNAL, "out of memory for an upload");
    status = read_name(request, &put->dataset, err);
    if (status == STATUS_OK)
        status = read_parameters(request, &put->dataset, err);
    const struct upload_owner owner = {.room = on_room, .done = on_done, .context = put};
    if (status == STATUS_OK)
        status = upload_begin(put->errand.service, &owner, &put->upload, err);
    if (status == STATUS_OK)
        enlist(put);
    return status;
}

size_t datasets_take_upload(struct http_request *request, const uint8_t *bytes, size_t size) {
    return upload_write(of(request)->upload, bytes, size);
}

void datasets_finish_upload(struct http_request *request) {
    struct dataset_upload *put = of(request);
    put->complete = true;
    upload_end(put->upload);
    if (put->unpacked) {
        delist(put);
        errand_send(&put->errand);
    } else {
        http_request_suspend(request);
    }
}

void datasets_drain(struct service *service) {
    while (service->dataset_uploads) {
        struct dataset_upload *put = service->dataset_uploads;
        bool owed = answer_is_owed(put);
        delist(put);
        if (owed)
            problem_reply(put->errand.request, STATUS_DRAINING, &(struct error){"draining"});
    }
}
