#include "cli/serve_service.h"

#include "server/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

_Static_assert((int)OPTION_LIST_MAX <= (int)SUPERVISOR_TRUSTED_MAX,
               "the trainer is told every module that may run");

struct supervisor_options serve_trainer_options(const struct serve_settings *s,
                                                const struct background_place *place) {
    return (struct supervisor_options){.threads = (unsigned)s->trainer_threads,
                                       .memory_bytes = (uint64_t)s->trainer_memory,
                                       .lease_ms = (uint64_t)s->lease_ms,
                                       .trusted = s->trusted_modules.values,
                                       .place = *place};
}

bool serve_may_keep_store(const struct serve_settings *s, const char *data) {
    if (s->role != SERVE_ALL || access(data, W_OK) == 0)
        return s->role != SERVE_SERVE;
    log_event(LOG_WARN, "no_store", LOG_STR("cause", strerror(errno)),
              LOG_STR("meaning", "the data directory cannot be written, so there are neither data "
                                 "sets nor jobs; --role serve says so"));
    return false;
}

/* To answer without counting, as if one did, is what must not happen unseen. */
enum status serve_find_lockout(const struct serve_settings *s, const char *data, bool keeps_store,
                               const char **folder, struct error *err) {
    *folder = NULL;
    if (s->lockout == LOCKOUT_OFF)
        return STATUS_OK;
    if (s->lockout_data || keeps_store) {
        *folder = s->lockout_data ? s->lockout_data : data;
        return STATUS_OK;
    }
    if (s->role == SERVE_SERVE)
        return error_set(err, STATUS_INTERNAL,
                         "--role serve keeps nothing in the data directory, where refusals of "
                         "subjects would be counted; --lockout-data names a folder that the "
                         "processes of this host share, --lockout off counts none");
    (void)access(data, W_OK); /* for its errno */
    return error_set(
        err, STATUS_INTERNAL,
        "%.80s cannot be written (%.30s), where refusals of subjects would be counted; "
        "--lockout-data names a folder for them, --lockout off counts none",
        data, strerror(errno));
}

static struct subjects_options lockout_options(const struct serve_settings *s, const char *folder) {
    struct subjects_options options = SUBJECTS_OPTIONS_DEFAULT;
    options.folder = folder;
    options.free_max = (unsigned)s->lockout_refusals;
    options.wait_s = (unsigned)s->lockout_seconds;
    options.refusals_max = (unsigned)s->lockout_limit;
    options.keep_ms = (uint64_t)s->lockout_days * 24 * 3600 * 1000;
    return options;
}

struct service_options serve_service_options(const struct serve_settings *s, const char *data,
                                             bool keeps_store, const char *lockout,
                                             const struct supervisor_options *trainer) {
    struct service_limits limits = SERVICE_LIMITS_DEFAULT;
    limits.image.bytes_max = (size_t)s->image_bytes;
    limits.image.pixels_max = (uint64_t)s->image_pixels;
    limits.multipart_bytes_max = (size_t)s->multipart_bytes;
    limits.json_bytes_max = (size_t)s->json_bytes;
    limits.bodies_bytes_max = (size_t)s->bodies_bytes;
    limits.prepare_tasks_max = (size_t)s->prepare_queue;
    limits.embed_items_max = (size_t)s->embed_queue;
    limits.queue_ms = (unsigned)s->queue_ms;
    limits.timeout_ms = (unsigned)s->timeout_ms;
    limits.archive.bytes_max = (uint64_t)s->dataset_bytes;
    limits.archive.members_max = (uint64_t)s->dataset_members;
    limits.archive.image_bytes_max = (uint64_t)s->image_bytes;
    return (struct service_options){
        .data_directory = data,
        .default_model = s->model,
        .pinned = s->also_load.values,
        .models_bytes_max = (uint64_t)s->models_memory,
        .device = s->device,
        .prepare_threads = (unsigned)s->prepare_threads,
        .default_max_fmr = s->default_max_fmr,
        .hang_ms = (uint64_t)(s->hang_s * 1000),
        .lockout = lockout_options(s, lockout),
        .keeps_store = keeps_store,
        .jobs_keep_s = (uint64_t)s->job_days * 24 * 3600,
        .trainer = keeps_store && !s->no_trainer ? trainer : NULL,
        .audit = s->audit,
        .audit_bytes_max = (uint64_t)s->audit_bytes,
        .keys_file = s->keys_file,
        .token_key_file = s->token_key_file,
        .token_lifetime_s = (unsigned)s->token_lifetime,
        .allow_raw_embeddings = s->allow_raw_embeddings,
        .limits = limits,
    };
}
