#include "model/trainer/trainer.h"

#include "model/trainer/inside.h"
#include "server/log.h"

#include <pthread.h>
#include <stdlib.h>

static bool is_done(const struct trainer *trainer) {
    unsigned most = trainer->options->jobs_max;
    return watch_is_ending(trainer->watch) || (most > 0 && trainer->jobs >= most);
}

/* True: there was one. */
static bool look(struct trainer *trainer) {
    const struct trainer_options *options = trainer->options;
    struct store_claim claim;
    struct store_job job;
    struct error err;
    bool claimed;
    if (store_claim_job(trainer->store, options->runner, options->lease_ms, &claim, &job, &claimed,
                        &err) != STATUS_OK) {
        log_event(LOG_WARN, "store", LOG_STR("cause", err.detail));
        return false;
    }
    if (!claimed)
        return false;
    trainer_run_job(trainer, &claim, &job);
    store_job_release(&job);
    trainer->jobs++;
    return true;
}

static void run(struct trainer *trainer) {
    unsigned seen = 0;
    told_close(trainer, told_open("begun", "runner", trainer->options->runner));
    while (!is_done(trainer))
        if (!look(trainer))
            watch_wait(trainer->watch, trainer->options->idle_ms, &seen);
}

enum status trainer_run(struct trainer *trainer, struct error *err) {
    pthread_t checks;
    if (pthread_create(&checks, NULL, trainer_check, trainer) != 0)
        return error_set(err, STATUS_INTERNAL, "no thread can be started");
    run(trainer);
    watch_end(trainer->watch);
    pthread_join(checks, NULL);
    return STATUS_OK;
}

enum status trainer_begin(const struct trainer_options *options, struct trainer **begun,
                          struct error *err) {
    const struct store_options store = {.data = options->data};
    struct trainer *trainer = calloc(1, sizeof *trainer);
    if (!trainer)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    trainer->options = options;
    enum status status = watch_start(options, &trainer->watch, err);
    if (status == STATUS_OK)
        status = background_become(&options->background, err);
    if (status == STATUS_OK)
        status = store_open(&store, &trainer->store, err);
    if (status != STATUS_OK) {
        trainer_end(trainer);
        return status;
    }
    *begun = trainer;
    return STATUS_OK;
}

void trainer_end(struct trainer *trainer) {
    if (!trainer)
        return;
    watch_stop(trainer->watch);
    store_close(trainer->store);
    free(trainer);
}
