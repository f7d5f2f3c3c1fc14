/* The thread is nicer than the device worker and the preparation: to load a version costs some
 * tenths of a second of computing (hash, repacked weights, warm-up) which must come out of what the
 * requests leave.
 *
 * Versions that have ended (registry.h) are buried here, before each task. The follower sends one
 * twice a second, so nothing stays dead for longer.
 */
#include "api/disk.h"

#include "api/swap.h"
#include "model/keeper.h"

#include <malloc.h>
#include <stddef.h>

enum { DISK_NICE = 5, DISK_TASKS_MAX = 16 };

static void closing(void *context, const struct model_version *version) {
    struct service *service = context;
    const struct card *card = &version->card;
    keeper_forget(service->keeper, version);
    if (!keeper_has(service->keeper, card->name, card->version))
        swap_forget_version(service->metrics, card);
    if (!keeper_has(service->keeper, card->name, NULL))
        swap_forget_model(service->metrics, card);
}

/* A version's smaller blocks stood on heaps among those of requests, and end as holes in them:
 * after a hundred swaps some megabytes. Their pages go back to the kernel. */
static void bury(struct service *service) {
    if (registry_bury(service->registry, closing, service) > 0)
        malloc_trim(0);
}

static void run(struct pool_task *pool_task, void *context) {
    (void)context;
    struct disk_task *task = (struct disk_task *)pool_task;
    struct service *service = task->service;
    bury(service);
    task->work(task);
    loop_post(service->loop, &task->message);
}

static void come_back(struct loop_message *message) {
    struct disk_task *task =
        (struct disk_task *)((char *)message - offsetof(struct disk_task, message));
    task->back(task);
}

enum status disk_start(struct service *service, struct error *err) {
    const struct pool_options options = {
        .name = "disk", .threads = 1, .tasks_max = DISK_TASKS_MAX, .nice = DISK_NICE};
    return pool_create(&options, &service->disk, err);
}

void disk_stop(struct service *service) { pool_destroy(service->disk); }

bool disk_submit(struct disk_task *task) {
    task->task.run = run;
    task->message.run = come_back;
    return pool_submit(task->service->disk, &task->task);
}
