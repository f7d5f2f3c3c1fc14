/* One task at a time, as the follower's (follow.c): a timer on the loop sends it to the disk
 * thread, and what it has changed comes back to be applied. */
#include "api/housekeeping.h"

#include "api/dataset_removal.h"
#include "api/disk.h"
#include "api/job_metrics.h"
#include "api/remover.h"
#include "api/swap.h"
#include "api/wish.h"
#include "model/store/datasets.h"
#include "server/clock.h"
#include "server/log.h"

#include <stdlib.h>

enum { LOOK_MS = 500, REMOVAL_MS = 60 * 1000, JOBS_AT_ONCE = 16 };

struct housekeeping {
    struct disk_task task; /* first */
    uv_timer_t timer;
    struct wish wish;
    uint64_t removal_due_ms;
    bool looking, paused;
};

/* ---- what has been kept long enough ---- */

static void remove_dataset(struct service *service, const char *name) {
    struct error err;
    enum status status = dataset_removal(service, name, &err);
    if (status == STATUS_OK)
        log_event(LOG_INFO, "dataset_deleted", LOG_STR("dataset", name),
                  LOG_STR("by", "retention"));
    else if (status != STATUS_IN_USE && status != STATUS_NOT_FOUND)
        log_event(LOG_WARN, "dataset_not_deleted", LOG_STR("dataset", name),
                  LOG_STR("detail", err.detail));
}

static void remove_datasets(struct service *service) {
    char(*names)[STORE_NAME_SIZE];
    size_t count;
    struct error err;
    if (store_dataset_expired(service->store, &names, &count, &err) != STATUS_OK) {
        log_event(LOG_WARN, "retention_failed", LOG_STR("detail", err.detail));
        return;
    }
    for (size_t i = 0; i < count; i++)
        remove_dataset(service, names[i]);
    free(names);
}

static void remove_jobs(struct service *service) {
    uint64_t keep_ms = service->options.jobs_keep_s * UINT64_C(1000);
    size_t deleted = 0;
    struct error err;
    if (keep_ms == 0)
        return;
    job_metrics_look(service); /* what ended since is counted before it is gone */
    if (store_jobs_expire(service->store, keep_ms, JOBS_AT_ONCE, &deleted, &err) != STATUS_OK)
        log_event(LOG_WARN, "retention_failed", LOG_STR("detail", err.detail));
    job_metrics_begin(service);
    if (deleted > 0)
        log_event(LOG_INFO, "jobs_deleted", LOG_INT("count", deleted));
}

/* ---- the task ---- */

static void work(struct disk_task *task) {
    struct housekeeping *housekeeping = (struct housekeeping *)task;
    uint64_t now_ms = clock_monotonic_us() / 1000;
    wish_look(task->service, &housekeeping->wish);
    job_metrics_look(task->service);
    if (now_ms < housekeeping->removal_due_ms)
        return;
    housekeeping->removal_due_ms = now_ms + REMOVAL_MS;
    remove_datasets(task->service);
    remove_jobs(task->service);
    remover_sweep(task->service);
}

static void back(struct disk_task *task) {
    struct housekeeping *housekeeping = (struct housekeeping *)task;
    housekeeping->looking = false;
    swap_apply(task->service, &housekeeping->wish.change, NULL);
}

static void on_timer(uv_timer_t *timer) {
    struct housekeeping *housekeeping = timer->data;
    if (!housekeeping->looking && !housekeeping->paused)
        housekeeping->looking = disk_submit(&housekeeping->task);
}

enum status housekeeping_start(struct service *service, struct housekeeping **started,
                               struct error *err) {
    struct housekeeping *housekeeping = calloc(1, sizeof *housekeeping);
    if (!housekeeping)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    job_metrics_begin(service);
    housekeeping->task.service = service;
    housekeeping->task.work = work;
    housekeeping->task.back = back;
    housekeeping->timer.data = housekeeping;
    uv_timer_init(loop_uv(service->loop), &housekeeping->timer);
    uv_timer_start(&housekeeping->timer, on_timer, LOOK_MS, LOOK_MS);
    *started = housekeeping;
    return STATUS_OK;
}

void housekeeping_pause(struct housekeeping *housekeeping) {
    if (housekeeping)
        housekeeping->paused = true;
}

static void closed(uv_handle_t *timer) { free(timer->data); }

void housekeeping_stop(struct housekeeping *housekeeping) {
    if (housekeeping)
        uv_close((uv_handle_t *)&housekeeping->timer, closed);
}
