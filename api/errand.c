#include "api/errand.h"

#include "api/problem.h"

#include <stdlib.h>

enum status errand_admit(struct http_request *request, struct error *err) {
    const struct service *service = http_request_application(request)->context;
    if (service->draining)
        return error_set(err, STATUS_DRAINING, "draining");
    if (!service->store)
        return error_set(err, STATUS_NOT_FOUND, "This instance keeps neither data sets nor jobs.");
    return STATUS_OK;
}

void *errand_make(struct http_request *request, const struct errand_kind *kind, size_t size) {
    struct errand *errand = calloc(1, size);
    if (!errand)
        return NULL;
    errand->kind = kind;
    errand->request = request;
    errand->service = http_request_application(request)->context;
    errand->task.service = errand->service;
    http_request_set_state(request, errand);
    return errand;
}

void *errand_create(struct http_request *request, const struct errand_kind *kind, size_t size) {
    void *errand = errand_make(request, kind, size);
    if (!errand)
        problem_reply(request, STATUS_INTERNAL, &(struct error){"out of memory for a disk task"});
    return errand;
}

static void work(struct disk_task *task) {
    struct errand *errand = (struct errand *)task;
    errand->status = errand->kind->work(errand, &errand->err);
}

static void back(struct disk_task *task) {
    struct errand *errand = (struct errand *)task;
    if (errand->status == STATUS_OK)
        errand->kind->answer(errand);
    else
        problem_reply(errand->request, errand->status, &errand->err);
}

void errand_send(struct errand *errand) {
    errand->task.work = work;
    errand->task.back = back;
    if (disk_submit(&errand->task))
        http_request_suspend(errand->request);
    else
        problem_reply(errand->request, STATUS_OVERLOADED,
                      &(struct error){"the disk thread's queue is full"});
}

void errand_release(struct http_request *request) {
    struct errand *errand = http_request_state(request);
    if (errand && errand->kind->release)
        errand->kind->release(errand);
    free(errand);
}
