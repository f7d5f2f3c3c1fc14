/* What is asked of jobs that are there; job_create.c makes them. */
#include "api/jobs.h"

#include "api/errand.h"
#include "api/job_json.h"
#include "api/job_metrics.h"
#include "api/job_route.h"
#include "api/json_body.h"
#include "api/json_scan.h"
#include "api/page.h"
#include "api/problem.h"
#include "api/send.h"
#include "api/supervisor.h"
#include "model/card.h"
#include "model/store/jobs.h"
#include "server/http/reply.h"
#include "server/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const JOBS_QUERY_LIST[] = {"limit", "after", "status", "model", "dataset", NULL};

struct job_errand {
    struct errand errand; /* first */
    char id[UID_SIZE];
    enum status (*ask)(struct store *store, const char *id, struct error *err);
    struct store_job job;
    struct store_checkpoint *checkpoints;
    size_t checkpoints_count;
};

static struct job_errand *of(struct errand *errand) { return (struct job_errand *)errand; }

static void release(struct errand *errand) {
    store_job_release(&of(errand)->job);
    free(of(errand)->checkpoints);
}

/* NULL: the request has been answered. */
static struct job_errand *create(struct http_request *request, const struct errand_kind *kind) {
    const char *id = job_route_id(request);
    struct job_errand *errand = id ? errand_create(request, kind, sizeof *errand) : NULL;
    if (errand)
        memcpy(errand->id, id, strlen(id) + 1);
    return errand;
}

/* ---- the list ---- */

struct list_errand {
    struct errand errand; /* first */
    char after[UID_SIZE], dataset[STORE_NAME_SIZE], model[STORE_NAME_SIZE];
    bool of_state;
    enum job_state state;
    size_t limit, count;
    struct store_job *jobs;
    bool more;
};

static void release_list(struct errand *errand) {
    struct list_errand *list = (struct list_errand *)errand;
    store_jobs_release(list->jobs, list->count);
}

static enum status work_list(struct errand *errand, struct error *err) {
    struct list_errand *list = (struct list_errand *)errand;
    const struct store_job_filter filter = {
        .kind = job_route_kind(errand->request),
        .state = list->of_state ? &list->state : NULL,
        .dataset = list->dataset[0] ? list->dataset : NULL,
        .model = list->model[0] ? list->model : NULL,
        .after = list->after[0] ? list->after : NULL,
        .limit = list->limit,
    };
    return store_job_list(errand->service->store, &filter, &list->jobs, &list->count, &list->more,
                          err);
}

static void answer_list(struct errand *errand) {
    const struct list_errand *list = (struct list_errand *)errand;
    json_t *data = json_array();
    for (size_t i = 0; i < list->count; i++)
        (void)json_array_append_new(data, job_json(&list->jobs[i], false));
    const char *cursor = list->more ? list->jobs[list->count - 1].id : NULL;
    send_json(errand->request, 200,
              page_json(errand->request, job_route_path(errand->request), data, cursor), NULL);
}

static void take_name(const struct http_request *request, const char *name,
                      char to[STORE_NAME_SIZE], struct faults *faults) {
    const char *given = http_request_query(request, name);
    if (!given)
        return;
    if (card_name_valid(given))
        memcpy(to, given, strlen(given) + 1);
    else
        faults_add(faults, STATUS_INVALID_NAME, name, "%s is a name, without a version.", name);
}

static void take_filter(const struct http_request *request, struct list_errand *list,
                        struct faults *faults) {
    struct error err;
    const char *after = http_request_query(request, "after");
    const char *state = http_request_query(request, "status");
    if (page_limit(request, &list->limit, &err) != STATUS_OK)
        faults_add_error(faults, STATUS_INVALID_FIELD, "limit", &err);
    if (after && !uid_valid(job_kind_prefix(job_route_kind(request)), after))
        faults_add(faults, STATUS_INVALID_FIELD, "after", "after is no cursor of this list.");
    else if (after)
        memcpy(list->after, after, strlen(after) + 1);
    list->of_state = state != NULL;
    if (state && !job_state_parse(state, &list->state))
        faults_add(faults, STATUS_INVALID_FIELD, "status", "There is no such status of a job.");
    take_name(request, "model", list->model, faults);
    take_name(request, "dataset", list->dataset, faults);
}

void jobs_list(struct http_request *request) {
    static const struct errand_kind LIST = {work_list, answer_list, release_list};
    struct faults faults;
    faults_init(&faults);
    struct list_errand *list = errand_create(request, &LIST, sizeof *list);
    if (!list)
        return;
    take_filter(request, list, &faults);
    if (faults.count > 0)
        problem_reply_faults(request, &faults);
    else
        errand_send(&list->errand);
}

/* ---- one ---- */

static enum status work_show(struct errand *errand, struct error *err) {
    return store_job_get(errand->service->store, of(errand)->id, &of(errand)->job, err);
}

static void answer_show(struct errand *errand) {
    send_json(errand->request, 200, job_json(&of(errand)->job, true), NULL);
}

void jobs_show(struct http_request *request) {
    static const struct errand_kind SHOW = {work_show, answer_show, release};
    struct job_errand *show = create(request, &SHOW);
    if (show)
        errand_send(&show->errand);
}

static enum status work_checkpoints(struct errand *errand, struct error *err) {
    struct job_errand *show = of(errand);
    return store_checkpoints(errand->service->store, show->id, &show->checkpoints,
                             &show->checkpoints_count, err);
}

static void answer_checkpoints(struct errand *errand) {
    const struct job_errand *show = of(errand);
    json_t *data = json_array();
    for (size_t i = 0; i < show->checkpoints_count; i++)
        (void)json_array_append_new(data, checkpoint_json(&show->checkpoints[i]));
    send_json(errand->request, 200,
              page_json(errand->request, job_route_path(errand->request), data, NULL), NULL);
}

void jobs_checkpoints(struct http_request *request) {
    static const struct errand_kind SHOW = {work_checkpoints, answer_checkpoints, release};
    struct job_errand *show = create(request, &SHOW);
    if (show)
        errand_send(&show->errand);
}

/* ---- asking ---- */

static enum status work_ask(struct errand *errand, struct error *err) {
    struct job_errand *ask = of(errand);
    enum status status = ask->ask(errand->service->store, ask->id, err);
    return status == STATUS_OK ? work_show(errand, err) : status;
}

static void answer_ask(struct errand *errand) {
    log_event(LOG_INFO, "job_asked", LOG_STR("job", of(errand)->id),
              LOG_STR("status", job_state_word(of(errand)->job.state)),
              LOG_STR("request_id", http_request_id(errand->request)));
    supervisor_wake(errand->service->supervisor);
    answer_show(errand);
}

/* The body of a request that needs none: nothing, or {}. */
static bool body_is_empty(struct http_request *request) {
    struct faults faults;
    size_t size;
    const uint8_t *bytes = http_request_body(request, &size);
    if (size == 0)
        return true;
    faults_init(&faults);
    json_t *root = json_body_read(bytes, size, SCAN_MEMBERS_MAX, &faults);
    const char *name;
    json_t *member;
    json_object_foreach(root, name, member) {
        faults_add(&faults, STATUS_UNKNOWN_FIELD, name, "This request has no members.");
    }
    json_decref(root);
    if (faults.count > 0)
        problem_reply_faults(request, &faults);
    return faults.count == 0;
}

static void ask(struct http_request *request,
                enum status (*what)(struct store *, const char *, struct error *)) {
    static const struct errand_kind ASK = {work_ask, answer_ask, release};
    if (!body_is_empty(request))
        return;
    struct job_errand *errand = create(request, &ASK);
    if (!errand)
        return;
    errand->ask = what;
    errand_send(&errand->errand);
}

void jobs_cancel(struct http_request *request) { ask(request, store_job_cancel); }
void jobs_pause(struct http_request *request) { ask(request, store_job_pause); }
void jobs_resume(struct http_request *request) { ask(request, store_job_resume); }

/* ---- removal ---- */

static enum status work_delete(struct errand *errand, struct error *err) {
    job_metrics_look(errand->service); /* what ended since is counted before it is gone */
    enum status status = store_job_delete(errand->service->store, of(errand)->id, err);
    job_metrics_begin(errand->service);
    return status;
}

static void answer_delete(struct errand *errand) {
    log_event(LOG_INFO, "job_deleted", LOG_STR("job", of(errand)->id),
              LOG_STR("request_id", http_request_id(errand->request)));
    http_reply_empty(errand->request, 204, NULL);
}

void jobs_delete(struct http_request *request) {
    static const struct errand_kind DELETE = {work_delete, answer_delete, NULL};
    struct job_errand *delete = create(request, &DELETE);
    if (delete)
        errand_send(&delete->errand);
}
