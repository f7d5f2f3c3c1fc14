/* What is asked of data sets that are there; the upload is in dataset_upload.c. */
#include "api/datasets.h"

#include "api/dataset_json.h"
#include "api/dataset_removal.h"
#include "api/errand.h"
#include "api/page.h"
#include "api/problem.h"
#include "api/send.h"
#include "model/card.h"
#include "model/dataset_path.h"
#include "model/dataset_person.h"
#include "server/http/reply.h"
#include "server/log.h"

#include <stdlib.h>
#include <string.h>

struct dataset_errand {
    struct errand errand; /* first */
    char name[STORE_NAME_SIZE], person[DATASET_PERSON_SIZE];
    struct store_dataset dataset;
    struct dataset_derived derived;
    struct dataset_left left;
};

static struct dataset_errand *of(struct errand *errand) { return (struct dataset_errand *)errand; }

static void release_derived(struct errand *errand) {
    dataset_derived_release(&of(errand)->derived);
}

/* NULL: the request has been answered. */
static struct dataset_errand *create(struct http_request *request, const struct errand_kind *kind) {
    const char *name = http_request_parameter(request);
    if (!card_name_valid(name)) {
        problem_reply(request, STATUS_INVALID_NAME, &(struct error){"That is no data set's name."});
        return NULL;
    }
    struct dataset_errand *errand = errand_create(request, kind, sizeof *errand);
    if (errand)
        memcpy(errand->name, name, strlen(name) + 1);
    return errand;
}

/* ---- the list ---- */

struct list_errand {
    struct errand errand; /* first */
    char after[STORE_NAME_SIZE];
    size_t limit, count;
    struct store_dataset *datasets;
    bool more;
};

static void release_list(struct errand *errand) { free(((struct list_errand *)errand)->datasets); }

static enum status work_list(struct errand *errand, struct error *err) {
    struct list_errand *list = (struct list_errand *)errand;
    return store_dataset_list(errand->service->store, list->after[0] ? list->after : NULL,
                              list->limit, &list->datasets, &list->count, &list->more, err);
}

static void answer_list(struct errand *errand) {
    const struct list_errand *list = (struct list_errand *)errand;
    json_t *data = json_array();
    for (size_t i = 0; i < list->count; i++)
        (void)json_array_append_new(data, dataset_json(&list->datasets[i]));
    const char *cursor = list->more ? list->datasets[list->count - 1].name : NULL;
    send_json(errand->request, 200, page_json(errand->request, "/admin/v1/datasets", data, cursor),
              NULL);
}

void datasets_list(struct http_request *request) {
    static const struct errand_kind LIST = {work_list, answer_list, release_list};
    size_t limit;
    struct error err;
    const char *after = http_request_query(request, "after");
    enum status status = page_limit(request, &limit, &err);
    if (status == STATUS_OK && after && !card_name_valid(after))
        status = error_set(&err, STATUS_INVALID_FIELD, "after is no cursor of this list.");
    if (status != STATUS_OK) {
        problem_reply(request, status, &err);
        return;
    }
    struct list_errand *list = errand_create(request, &LIST, sizeof *list);
    if (!list)
        return;
    list->limit = limit;
    if (after)
        memcpy(list->after, after, strlen(after) + 1);
    errand_send(&list->errand);
}

/* ---- one ---- */

static enum status work_show(struct errand *errand, struct error *err) {
    struct dataset_errand *show = of(errand);
    enum status status = store_dataset_get(errand->service->store, show->name, &show->dataset, err);
    return status == STATUS_OK ? dataset_derived(errand->service, show->name, &show->derived, err)
                               : status;
}

static json_t *versions_json(const struct dataset_derived *derived) {
    json_t *list = json_array();
    for (size_t i = 0; i < derived->versions_count; i++)
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:s}", "model", derived->versions[i].model, "version",
                            derived->versions[i].version, "job", derived->versions[i].job));
    return list;
}

static json_t *caches_json(const struct dataset_derived *derived) {
    json_t *list = json_array();
    for (size_t i = 0; i < derived->caches_count; i++)
        (void)json_array_append_new(list, json_pack("{s:s, s:I}", "job", derived->caches[i].job,
                                                    "bytes", (json_int_t)derived->caches[i].bytes));
    return list;
}

static void answer_show(struct errand *errand) {
    const struct dataset_errand *show = of(errand);
    json_t *root = dataset_json(&show->dataset);
    if (root) {
        (void)json_object_set_new(root, "versions", versions_json(&show->derived));
        (void)json_object_set_new(root, "caches", caches_json(&show->derived));
    }
    send_json(errand->request, 200, root, NULL);
}

void datasets_show(struct http_request *request) {
    static const struct errand_kind SHOW = {work_show, answer_show, release_derived};
    struct dataset_errand *show = create(request, &SHOW);
    if (show)
        errand_send(&show->errand);
}

/* ---- removal ---- */

static enum status work_delete(struct errand *errand, struct error *err) {
    return dataset_removal(errand->service, of(errand)->name, err);
}

static void answer_delete(struct errand *errand) {
    log_event(LOG_INFO, "dataset_deleted", LOG_STR("dataset", of(errand)->name),
              LOG_STR("by", "request"), LOG_STR("request_id", http_request_id(errand->request)));
    http_reply_empty(errand->request, 204, NULL);
}

void datasets_delete(struct http_request *request) {
    static const struct errand_kind DELETE = {work_delete, answer_delete, NULL};
    struct dataset_errand *delete = create(request, &DELETE);
    if (delete)
        errand_send(&delete->errand);
}

/* ---- one person ---- */

static enum status check_changeable(struct errand *errand, struct error *err) {
    struct dataset_errand *removal = of(errand);
    struct store *store = errand->service->store;
    enum status status = store_dataset_get(store, removal->name, &removal->dataset, err);
    if (status != STATUS_OK)
        return status;
    if (removal->dataset.state != DATASET_READY && removal->dataset.state != DATASET_REJECTED)
        return error_set(err, STATUS_WRONG_STATE, "The data set is %s; wait for the end of that.",
                         dataset_state_word(removal->dataset.state));
    return store_dataset_free(store, removal->name, err);
}

/* Jobs are created by this thread too, so none comes between the look and the change. */
static enum status work_person(struct errand *errand, struct error *err) {
    struct dataset_errand *removal = of(errand);
    struct service *service = errand->service;
    enum status status = check_changeable(errand, err);
    if (status == STATUS_OK)
        status = dataset_person_remove(service->options.data_directory, removal->name,
                                       removal->person, &removal->left, err);
    if (status != STATUS_OK)
        return status;
    if (strcmp(removal->left.sha256, removal->dataset.sha256) == 0)
        return error_set(err, STATUS_NOT_FOUND, "There is no such person in the data set.");
    status = dataset_removal_derived(service, removal->name, err);
    if (status == STATUS_OK)
        status = store_dataset_change(service->store, removal->name, removal->left.sha256,
                                      removal->left.bytes, removal->left.files, err);
    if (status == STATUS_OK)
        status = store_dataset_get(service->store, removal->name, &removal->dataset, err);
    return status;
}

static void answer_person(struct errand *errand) {
    const struct dataset_errand *removal = of(errand);
    log_event(LOG_INFO, "dataset_person_deleted", LOG_STR("dataset", removal->name),
              LOG_INT("images", removal->left.removed), LOG_STR("sha256", removal->left.sha256),
              LOG_STR("request_id", http_request_id(errand->request)));
    send_json(errand->request, 200, dataset_json(&removal->dataset), NULL);
}

void datasets_delete_person(struct http_request *request) {
    static const struct errand_kind REMOVE = {work_person, answer_person, NULL};
    const char *person = http_request_second_parameter(request);
    if (!dataset_person_name(person)) {
        problem_reply(request, STATUS_INVALID_NAME, &(struct error){"That is no person's name."});
        return;
    }
    struct dataset_errand *removal = create(request, &REMOVE);
    if (!removal)
        return;
    memcpy(removal->person, person, strlen(person) + 1);
    errand_send(&removal->errand);
}
