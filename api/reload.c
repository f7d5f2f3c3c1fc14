#include "api/reload.h"

#include "server/log.h"

#include <stddef.h>
#include <stdlib.h>

static void run(struct pool_task *task, void *context) {
    (void)context;
    struct reload *reload = (struct reload *)task;
    reload->read(reload);
    loop_post(reload->loop, &reload->message);
}

static void on_late(uv_timer_t *timer) {
    const struct reload *reload = timer->data;
    log_event(LOG_WARN, reload->late_event, LOG_STR("file", reload->file),
              LOG_STR("meaning", "it is being read; until that ends what was in it before holds"));
}

static void begin(struct reload *reload) {
    reload->under_way = reload->pool && pool_submit(reload->pool, &reload->task);
    if (reload->under_way)
        uv_timer_start(&reload->late, on_late, RELOAD_LATE_MS, 0);
}

static void come_back(struct loop_message *message) {
    struct reload *reload = (struct reload *)((char *)message - offsetof(struct reload, message));
    bool again = reload->again;
    reload->under_way = reload->again = false;
    uv_timer_stop(&reload->late);
    reload->apply(reload);
    if (again)
        begin(reload);
}

enum status reload_start(struct reload *reload, const char *name, struct loop *loop,
                         struct error *err) {
    const struct pool_options options = {.name = name, .threads = 1, .tasks_max = 1};
    enum status status = pool_create(&options, &reload->pool, err);
    if (status != STATUS_OK)
        return status;
    reload->loop = loop;
    reload->task.run = run;
    reload->message.run = come_back;
    reload->late.data = reload;
    uv_timer_init(loop_uv(loop), &reload->late);
    return STATUS_OK;
}

void reload_ask(struct reload *reload) {
    if (reload && reload->under_way)
        reload->again = true;
    else if (reload)
        begin(reload);
}

bool reload_end_by(struct reload *reload, uint64_t until_us) {
    return !reload || pool_end_by(reload->pool, until_us);
}

static void closed(uv_handle_t *timer) { free(timer->data); }

void reload_stop(struct reload *reload) {
    if (!reload)
        return;
    pool_destroy(reload->pool);
    reload->pool = NULL;
    uv_close((uv_handle_t *)&reload->late, closed);
}
