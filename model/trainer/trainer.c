#include "model/trainer/trainer.h"

#include "model/trainer/inside.h"
#include "server/log.h"

#include <pthread.h>

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
    if (store_claim_job(trainer->store, JOB_FINE_TUNE, options->runner, options->lease_ms, &claim,
                        &job, &claimed, &err) != STATUS_OK) {
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
    while (!is_done(trainer))
        if (!look(trainer))
            watch_wait(trainer->watch, trainer->options->idle_ms);
}

static enum status run_beside_checks(struct trainer *trainer, struct error *err) {
    pthread_t checks;
    if (pthread_create(&checks, NULL, trainer_check, trainer) != 0)
        return error_set(err, STATUS_INTERNAL, "no thread can be started");
    run(trainer);
    watch_end(trainer->watch);
    pthread_join(checks, NULL);
    return STATUS_OK;
}

enum status trainer_run(const struct trainer_options *options, struct error *err) {
    struct trainer trainer = {.options = options};
    const struct store_options store = {.data = options->data};
    enum status status = watch_start(options, &trainer.watch, err);
    if (status == STATUS_OK)
        status = background_become(&options->background, err);
    if (status == STATUS_OK)
        status = store_open(&store, &trainer.store, err);
    if (status == STATUS_OK)
        status = run_beside_checks(&trainer, err);
    store_close(trainer.store);
    watch_stop(trainer.watch);
    return status;
}
