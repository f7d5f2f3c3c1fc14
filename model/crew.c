#include "model/crew.h"

#include "server/cpus.h"

#include <pthread.h>
#include <stdatomic.h>

enum { HELPERS_MAX = 32 };

struct crew_shift {
    const struct crew *crew;
    unsigned lanes;
    bool (*work)(void *context, unsigned lane, struct crew_shift *shift);
    void *context;
    atomic_uint next;
    atomic_bool failed;
    pthread_mutex_t asking;
    bool ended; /* under asking */
};

bool crew_goes_on(struct crew_shift *shift) {
    pthread_mutex_lock(&shift->asking);
    shift->ended = shift->ended || !go_on_ask(&shift->crew->go_on);
    bool ended = shift->ended;
    pthread_mutex_unlock(&shift->asking);
    return !ended;
}

static void *run_lanes(void *argument) {
    struct crew_shift *shift = argument;
    unsigned lane;
    do {
        lane = atomic_fetch_add(&shift->next, 1);
        if (lane < shift->lanes && !shift->work(shift->context, lane, shift))
            atomic_store(&shift->failed, true);
    } while (lane < shift->lanes && crew_goes_on(shift));
    return NULL;
}

/* The calling thread works too; a helper that cannot be started is done without. */
static void share_out(struct crew_shift *shift) {
    pthread_t helpers[HELPERS_MAX];
    unsigned started = 0, threads = shift->crew->threads ? shift->crew->threads : cpus_granted();
    for (; started + 1 < threads && started < HELPERS_MAX; started++)
        if (pthread_create(&helpers[started], NULL, run_lanes, shift) != 0)
            break;
    run_lanes(shift);
    for (unsigned i = 0; i < started; i++)
        pthread_join(helpers[i], NULL);
}

enum status crew_run(const struct crew *crew, unsigned lanes,
                     bool (*work)(void *context, unsigned lane, struct crew_shift *shift),
                     void *context, struct error *err) {
    struct crew_shift shift = {.crew = crew, .lanes = lanes, .work = work, .context = context};
    pthread_mutex_init(&shift.asking, NULL);
    share_out(&shift);
    pthread_mutex_destroy(&shift.asking);
    if (atomic_load(&shift.failed))
        return error_set(err, STATUS_INTERNAL, "out of memory");
    return shift.ended ? error_set(err, STATUS_DRAINING, "stopped") : STATUS_OK;
}
