#include "api/dataset_removal.h"

#include "api/remover.h"
#include "model/dataset_folder.h"
#include "model/file.h"
#include "model/leftovers.h"
#include "model/store/datasets.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the jobs that used a data set, page by page ---- */

struct visit {
    struct service *service;
    const char *dataset;
    enum status (*job)(struct visit *visit, const struct store_job *job, struct error *err);
    struct dataset_derived *derived;
};

static enum status visit_kind(struct visit *visit, enum job_kind kind, struct error *err) {
    char after[UID_SIZE] = "";
    bool more = true;
    enum status status = STATUS_OK;
    while (more && status == STATUS_OK) {
        struct store_job *jobs;
        size_t count;
        const struct store_job_filter filter = {.kind = kind,
                                                .dataset = visit->dataset,
                                                .after = after[0] ? after : NULL,
                                                .limit = STORE_PAGE_MAX};
        status = store_job_list(visit->service->store, &filter, &jobs, &count, &more, err);
        if (status != STATUS_OK)
            return status;
        for (size_t i = 0; i < count && status == STATUS_OK; i++)
            status = visit->job(visit, &jobs[i], err);
        if (count > 0)
            memcpy(after, jobs[count - 1].id, sizeof after);
        store_jobs_release(jobs, count);
    }
    return status;
}

static enum status visit_jobs(struct visit *visit, struct error *err) {
    enum status status = STATUS_OK;
    for (int kind = 0; kind < JOB_KINDS_COUNT && status == STATUS_OK; kind++)
        status = visit_kind(visit, (enum job_kind)kind, err);
    return status;
}

/* ---- removing ---- */

static enum status remove_directory(struct visit *visit, const struct store_job *job,
                                    struct error *err) {
    char path[PATH_MAX];
    enum status status = store_job_directory(visit->service->store, job->id, path, err);
    if (status == STATUS_OK && job_state_is_final(job->state) && access(path, F_OK) == 0 &&
        !leftovers_remove(path))
        status = error_set(err, STATUS_INTERNAL, "%.180s: something of it stays", path);
    return status;
}

enum status dataset_removal_derived(struct service *service, const char *name, struct error *err) {
    struct visit visit = {.service = service, .dataset = name, .job = remove_directory};
    return visit_jobs(&visit, err);
}

enum status dataset_removal(struct service *service, const char *name, struct error *err) {
    char gone[PATH_MAX] = "";
    enum status status = store_dataset_begin_delete(service->store, name, err);
    if (status == STATUS_OK)
        status = dataset_removal_derived(service, name, err);
    if (status == STATUS_OK)
        status = dataset_folder_set_aside(service->options.data_directory, name, gone, err);
    if (gone[0])
        remover_take(service, gone);
    if (status == STATUS_OK)
        status = store_dataset_end_delete(service->store, name, err);
    return status;
}

/* ---- telling ---- */

/* Of the regular files, `depth` folders deep. */
static uint64_t bytes_below(const char *path, int depth) {
    char below[PATH_MAX];
    uint64_t bytes = 0;
    DIR *entries = opendir(path);
    struct dirent *entry;
    while (entries && (entry = readdir(entries)) != NULL) {
        struct stat about;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            file_path(below, NULL, "%s/%s", path, entry->d_name) != STATUS_OK ||
            lstat(below, &about) != 0)
            continue;
        if (S_ISDIR(about.st_mode) && depth > 0)
            bytes += bytes_below(below, depth - 1);
        else if (S_ISREG(about.st_mode))
            bytes += (uint64_t)about.st_size;
    }
    if (entries)
        closedir(entries);
    return bytes;
}

static enum status note_job(struct visit *visit, const struct store_job *job, struct error *err) {
    enum { DEPTH = 2 };
    struct dataset_derived *derived = visit->derived;
    char path[PATH_MAX];
    bool made = job->kind != JOB_EVALUATION && job->result.version[0];
    if (made && derived->versions_count < DATASET_DERIVED_MAX) {
        struct dataset_version *version = &derived->versions[derived->versions_count++];
        snprintf(version->model, sizeof version->model, "%s", job->result.model);
        snprintf(version->version, sizeof version->version, "%s", job->result.version);
        snprintf(version->job, sizeof version->job, "%s", job->id);
    }
    enum status status = store_job_directory(visit->service->store, job->id, path, err);
    if (status == STATUS_OK && access(path, F_OK) == 0 &&
        derived->caches_count < DATASET_DERIVED_MAX) {
        struct dataset_cache *cache = &derived->caches[derived->caches_count++];
        snprintf(cache->job, sizeof cache->job, "%s", job->id);
        cache->bytes = bytes_below(path, DEPTH);
    }
    return status;
}

enum status dataset_derived(struct service *service, const char *name,
                            struct dataset_derived *derived, struct error *err) {
    *derived = (struct dataset_derived){0};
    derived->versions = calloc(DATASET_DERIVED_MAX, sizeof *derived->versions);
    derived->caches = calloc(DATASET_DERIVED_MAX, sizeof *derived->caches);
    struct visit visit = {.service = service, .dataset = name, .job = note_job, .derived = derived};
    enum status status = derived->versions && derived->caches
                             ? visit_jobs(&visit, err)
                             : error_set(err, STATUS_INTERNAL, "out of memory for a list");
    if (status != STATUS_OK)
        dataset_derived_release(derived);
    return status;
}

void dataset_derived_release(struct dataset_derived *derived) {
    free(derived->versions);
    free(derived->caches);
    *derived = (struct dataset_derived){0};
}
