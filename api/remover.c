#include "api/remover.h"

#include "model/dataset_folder.h"
#include "model/file.h"
#include "model/leftovers.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NICE = 10, REMOVALS_MAX = 16 };

struct removal {
    struct pool_task task; /* first */
    struct service *service;
    char path[]; /* "" of a sweep */
};

enum status remover_start(struct service *service, struct error *err) {
    const struct pool_options options = {
        .name = "remove", .threads = 1, .tasks_max = REMOVALS_MAX, .nice = NICE};
    return pool_create(&options, &service->remover, err);
}

static void submit(struct service *service, struct removal *removal) {
    if (!pool_submit(service->remover, &removal->task))
        free(removal);
}

/* One entry after the other, so that a process that is to end need not wait for the last. */
static void remove_folder(const char *path, const atomic_bool *ending) {
    char entry_path[PATH_MAX];
    DIR *entries = opendir(path);
    struct dirent *entry;
    while (entries && !atomic_load(ending) && (entry = readdir(entries)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            file_path(entry_path, NULL, "%s/%s", path, entry->d_name) == STATUS_OK)
            leftovers_remove(entry_path);
    if (entries)
        closedir(entries);
    rmdir(path);
}

static void run(struct pool_task *task, void *context) {
    (void)context;
    struct removal *removal = (struct removal *)task;
    remove_folder(removal->path, &removal->service->ending);
    free(removal);
}

void remover_take(struct service *service, const char *path) {
    struct removal *removal = calloc(1, sizeof *removal + strlen(path) + 1);
    if (!removal)
        return;
    removal->task.run = run;
    removal->service = service;
    memcpy(removal->path, path, strlen(path) + 1);
    submit(service, removal);
}

static void run_sweep(struct pool_task *task, void *context) {
    (void)context;
    struct removal *removal = (struct removal *)task;
    dataset_folder_sweep(removal->service->options.data_directory);
    free(removal);
}

/* The thread takes one after the other, and while some wait another sweep would find no more. */
void remover_sweep(struct service *service) {
    if (queue_length(pool_queue(service->remover)) > 0)
        return;
    struct removal *removal = calloc(1, sizeof *removal + 1);
    if (!removal)
        return;
    removal->task.run = run_sweep;
    removal->service = service;
    submit(service, removal);
}
