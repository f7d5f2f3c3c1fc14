/* One look at a time: a timer on the loop sends a task to the disk thread, which comes back with at
 * most one change, ready to be applied. Where there was one there may be more, and the next look
 * goes out at once. A full queue only delays the look.
 */
#include "api/follow.h"

#include "api/disk.h"
#include "api/swap.h"

#include <stdlib.h>

enum { FOLLOW_MS = 500 };

struct follow {
    struct disk_task task; /* first */
    uv_timer_t timer;
    struct keeper_change change;
    bool looking, paused;
};

static void look(struct follow *follow) {
    if (!follow->looking && !follow->paused)
        follow->looking = disk_submit(&follow->task);
}

static void on_timer(uv_timer_t *timer) { look(timer->data); }

static void work(struct disk_task *task) {
    struct follow *follow = (struct follow *)task;
    keeper_look(task->service->keeper, &follow->change);
}

static void back(struct disk_task *task) {
    struct follow *follow = (struct follow *)task;
    bool changed = follow->change.kind != KEEPER_NOTHING;
    follow->looking = false;
    swap_apply(task->service, &follow->change, NULL);
    if (changed)
        look(follow);
}

enum status follow_start(struct service *service, struct follow **started, struct error *err) {
    struct follow *follow = calloc(1, sizeof *follow);
    if (!follow)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    follow->task.service = service;
    follow->task.work = work;
    follow->task.back = back;
    follow->timer.data = follow;
    uv_timer_init(loop_uv(service->loop), &follow->timer);
    uv_timer_start(&follow->timer, on_timer, FOLLOW_MS, FOLLOW_MS);
    *started = follow;
    return STATUS_OK;
}

void follow_pause(struct follow *follow) { follow->paused = true; }

static void closed(uv_handle_t *timer) { free(timer->data); }

void follow_stop(struct follow *follow) {
    if (follow)
        uv_close((uv_handle_t *)&follow->timer, closed);
}
