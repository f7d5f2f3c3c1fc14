#include "api/service.h"

#include "api/admission.h"
#include "api/audit.h"
#include "api/authorize.h"
#include "api/datasets.h"
#include "api/disk.h"
#include "api/events.h"
#include "api/follow.h"
#include "api/housekeeping.h"
#include "api/lockout.h"
#include "api/problem.h"
#include "api/reload.h"
#include "api/remover.h"
#include "api/routes.h"
#include "api/supervisor.h"
#include "api/swap.h"
#include "api/upload.h"
#include "model/keeper.h"
#include "server/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A little nicer than the loop: answers go out before new work is begun. */
enum { POOL_NICE = 1, BATCH_MS_MAX = 250, BATCH_FACES_MAX = 64 };
enum { COMPANY_FACES = 16, COMPANY_MS_MAX = 50 };
/* Kept of inputs: the pairs of 31 requests of dlib-resnet, of 13 of a network of 224 pixels. */
enum { INPUTS_KEPT_BYTES = 16 * 1024 * 1024 };

static enum status create_preparer(void *argument, void **context, struct error *err) {
    struct preparer *preparer = preparer_create(argument);
    if (!preparer)
        return error_set(err, STATUS_INTERNAL, "out of memory for a preparation thread");
    *context = preparer;
    return STATUS_OK;
}

static void destroy_preparer(void *context) { preparer_destroy(context); }

static enum status start_pool(struct service *service, struct error *err) {
    const struct pool_options options = {
        .name = "prepare",
        .threads = service->prepare_threads,
        .tasks_max = service->options.limits.prepare_tasks_max,
        .nice = POOL_NICE,
        .context_create = create_preparer,
        .context_destroy = destroy_preparer,
        .argument = service->prepare,
    };
    return pool_create(&options, &service->pool, err);
}

static bool more_is_prepared(void *argument) {
    const struct service *service = argument;
    return queue_length(pool_queue(service->pool)) > 0;
}

static enum status start_batcher(struct service *service, struct error *err) {
    bool device_is_the_cores = strcmp(service->options.device, "cpu") == 0;
    const struct batcher_options options = {
        .items_max = service->options.limits.embed_items_max,
        .batch_ms_max = BATCH_MS_MAX,
        .faces_max = BATCH_FACES_MAX,
        .company = {.faces = device_is_the_cores ? COMPANY_FACES : 0,
                    .ms_max = COMPANY_MS_MAX,
                    .coming = more_is_prepared,
                    .argument = service},
        .metrics = service->metrics,
    };
    return batcher_create(&options, &service->batcher, err);
}

/* Half of what the process is granted: the other half is for bodies, photographs and batches. */
static uint64_t models_bytes_max(const struct service_options *options) {
    return options->models_bytes_max ? options->models_bytes_max : memory_granted() / 2;
}

static enum status open_models(struct service *service, struct error *err) {
    const struct service_options *options = &service->options;
    const struct keeper_options keeper = {
        .data_directory = options->data_directory,
        .default_model = options->default_model,
        .pinned = options->pinned,
        .memory_bytes_max = models_bytes_max(options),
        .default_max_fmr = options->default_max_fmr,
    };
    service->registry = registry_create();
    if (!service->registry)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    return keeper_open(&keeper, service->registry, &service->keeper, err);
}

static enum status open_store(struct service *service, struct error *err) {
    const struct store_options options = {.data = service->options.data_directory};
    if (!service->options.keeps_store)
        return STATUS_OK;
    enum status status = store_open(&options, &service->store, err);
    if (status == STATUS_OK)
        status = remover_start(service, err);
    return status == STATUS_OK ? upload_start(service, err) : status;
}

/* What looks into the store by itself, once the disk thread is there. */
static enum status start_store_tasks(struct service *service, struct error *err) {
    if (!service->store)
        return STATUS_OK;
    enum status status = events_start(service, &service->event_feed, err);
    return status == STATUS_OK ? housekeeping_start(service, &service->housekeeping, err) : status;
}

static enum status start(struct service *service, struct error *err) {
    const struct service_options *options = &service->options;
    enum status status = prepare_shared_open(options->data_directory, &service->prepare, err);
    if (status == STATUS_OK)
        status = open_models(service, err);
    if (status == STATUS_OK)
        status = options->token_key_file
                     ? token_keys_read(options->token_key_file, &service->token_keys, err)
                     : token_keys_draw(&service->token_keys, err);
    if (status == STATUS_OK)
        status = authorize_open(service, err);
    if (status == STATUS_OK)
        status = audit_open(service, err);
    if (status == STATUS_OK)
        status = start_pool(service, err);
    if (status == STATUS_OK)
        status = start_batcher(service, err);
    if (status == STATUS_OK)
        status = open_store(service, err);
    if (status == STATUS_OK)
        status = lockout_start(service, err);
    if (status == STATUS_OK)
        status = disk_start(service, err);
    if (status == STATUS_OK)
        status = follow_start(service, &service->follow, err);
    if (status == STATUS_OK)
        status = start_store_tasks(service, err);
    if (status == STATUS_OK && options->trainer)
        status = supervisor_start(service, options->trainer, &service->supervisor, err);
    return status;
}

static void describe(struct service *service) {
    metrics_set(service->metrics, METRIC_BUILD_INFO, 1, FACEPAIR_VERSION);
    swap_describe(service, NULL);
}

enum status service_create(const struct service_options *options, struct loop *loop,
                           struct service **created, struct error *err) {
    struct service *service = calloc(1, sizeof *service);
    if (!service)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    service->options = *options;
    if (options->limits.bodies_bytes_max == 0)
        service->options.limits.bodies_bytes_max = admission_bodies_bytes(&options->limits);
    service->loop = loop;
    service->prepare_threads = options->prepare_threads ? options->prepare_threads : cpus_granted();
    service->metrics = metrics_create();
    service->spare = spare_create(INPUTS_KEPT_BYTES);
    enum status status = service->metrics && service->spare
                             ? start(service, err)
                             : error_set(err, STATUS_INTERNAL, "out of memory");
    if (status != STATUS_OK) {
        service_destroy(service);
        return status;
    }
    routes_build(service);
    describe(service);
    *created = service;
    return STATUS_OK;
}

/* One after the other, as they give each other work. */
const char *service_end_by(struct service *service, uint64_t until_us) {
    if (service->follow)
        follow_pause(service->follow);
    housekeeping_pause(service->housekeeping);
    supervisor_stop(service->supervisor);
    service->supervisor = NULL;
    if (!pool_end_by(service->upload_threads, until_us))
        return "upload";
    if (!pool_end_by(service->disk, until_us))
        return "disk";
    if (!lockout_end_by(service->lockout, until_us))
        return "lockout";
    if (!reload_end_by(service->keys_reload, until_us))
        return "keys";
    atomic_store(&service->ending, true);
    return pool_end_by(service->remover, until_us) ? NULL : "remove";
}

void service_destroy(struct service *service) {
    if (!service)
        return;
    (void)service_end_by(service, UINT64_MAX);
    pool_destroy(service->upload_threads);
    disk_stop(service);
    lockout_stop(service->lockout);
    authorize_stop(service);
    loop_flush(service->loop); /* the last look may have come back */
    pool_destroy(service->remover);
    follow_stop(service->follow);
    housekeeping_stop(service->housekeeping);
    events_stop(service->event_feed);
    lockout_destroy(service->lockout);
    batcher_destroy(service->batcher); /* it looks at the pool's queue */
    pool_destroy(service->pool);
    registry_close(service->registry);
    keeper_close(service->keeper);
    store_close(service->store);
    if (service->prepare)
        prepare_shared_close(service->prepare);
    token_keys_destroy(service->token_keys);
    authorize_close(service);
    audit_close(service);
    if (service->metrics)
        metrics_destroy(service->metrics);
    spare_destroy(service->spare);
    free(service);
}

struct http_application service_application(struct service *service) {
    return (struct http_application){
        .endpoints = service->table,
        .reply_problem = problem_reply,
        .authorize = authorize,
        .answered = audit_answered,
        .metrics = service->metrics,
        .context = service,
    };
}

void service_leave(struct service *service) { service->leaving = true; }

void service_drain(struct service *service) {
    service->leaving = service->draining = true;
    events_drain(service);
    datasets_drain(service);
    follow_pause(service->follow);
    housekeeping_pause(service->housekeeping);
}

bool service_ready(const struct service *service) { return !service->leaving; }

bool service_reserve(struct service *service, size_t tasks) {
    bool has_room = service->pool_tasks + tasks <= queue_capacity(pool_queue(service->pool));
    if (has_room)
        service->pool_tasks += tasks;
    return has_room;
}

void service_unreserve(struct service *service, size_t tasks) {
    assert(tasks <= service->pool_tasks);
    service->pool_tasks -= tasks;
}
