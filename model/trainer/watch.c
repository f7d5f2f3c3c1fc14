#include "model/trainer/watch.h"

#include "server/clock.h"
#include "server/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { TICK_MS = 200, RENEWALS = 3 };

struct watch {
    const struct trainer_options *options;
    struct store *store; /* the watch thread's */
    pthread_t thread;
    sigset_t signals;

    pthread_mutex_t lock;
    pthread_cond_t woken; /* by a signal, or at the end */
    struct store_claim claim;
    bool holds, stopped;
    unsigned wakes;
    enum watch_wish wish; /* of the claim, then of the process */
    bool ending;          /* the process */
    uint64_t leave_us;    /* since when the jobs thread is to leave; 0: it need not */
    uint64_t alive_us;    /* its last sign of life */
    uint64_t renewed_us;  /* when the lease was taken or renewed */
    bool stalled;
};

/* ---- what the other threads see ---- */

static enum watch_wish wish_now(const struct watch *watch) {
    return watch->ending && watch->wish != WATCH_LOST && watch->wish != WATCH_CANCEL ? WATCH_END
                                                                                     : watch->wish;
}

void watch_hold(struct watch *watch, const struct store_claim *claim) {
    pthread_mutex_lock(&watch->lock);
    watch->claim = *claim;
    watch->holds = true;
    watch->wish = WATCH_GO_ON;
    watch->leave_us = watch->ending ? clock_monotonic_us() : 0;
    watch->alive_us = watch->renewed_us = clock_monotonic_us();
    watch->stalled = false;
    pthread_mutex_unlock(&watch->lock);
}

void watch_let_go(struct watch *watch) {
    pthread_mutex_lock(&watch->lock);
    watch->holds = false;
    watch->wish = WATCH_GO_ON;
    watch->leave_us = watch->ending ? watch->leave_us : 0;
    pthread_mutex_unlock(&watch->lock);
}

enum watch_wish watch_wish(struct watch *watch) {
    pthread_mutex_lock(&watch->lock);
    watch->alive_us = clock_monotonic_us();
    enum watch_wish wish = wish_now(watch);
    pthread_mutex_unlock(&watch->lock);
    return wish;
}

bool watch_is_ending(struct watch *watch) {
    pthread_mutex_lock(&watch->lock);
    bool ending = watch->ending;
    pthread_mutex_unlock(&watch->lock);
    return ending;
}

static void mark_leaving(struct watch *watch) {
    if (watch->leave_us == 0)
        watch->leave_us = clock_monotonic_us();
}

void watch_end(struct watch *watch) {
    pthread_mutex_lock(&watch->lock);
    watch->ending = true;
    mark_leaving(watch);
    pthread_mutex_unlock(&watch->lock);
    pthread_cond_broadcast(&watch->woken);
}

void watch_wait(struct watch *watch, uint64_t ms, unsigned *seen) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&watch->lock);
    int waited = 0;
    while (!watch->ending && watch->wakes == *seen && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&watch->woken, &watch->lock, &until);
    *seen = watch->wakes;
    pthread_mutex_unlock(&watch->lock);
}

/* ---- the watch thread ---- */

static void wake(struct watch *watch) {
    pthread_mutex_lock(&watch->lock);
    watch->wakes++;
    pthread_mutex_unlock(&watch->lock);
    pthread_cond_broadcast(&watch->woken);
}

/* True: there is a claim, and *renew tells whether its lease is due. */
static bool look(struct watch *watch, struct store_claim *claim, bool *renew) {
    uint64_t now_us = clock_monotonic_us(), lease_us = watch->options->lease_ms * 1000;
    pthread_mutex_lock(&watch->lock);
    bool holds = watch->holds && watch->wish != WATCH_LOST;
    bool alive = now_us - watch->alive_us < WATCH_STALL_MS * UINT64_C(1000);
    *claim = watch->claim;
    *renew = alive && now_us - watch->renewed_us >= lease_us / RENEWALS;
    bool stalls = holds && !alive && !watch->stalled;
    watch->stalled |= stalls;
    pthread_mutex_unlock(&watch->lock);
    if (stalls)
        log_event(LOG_ERROR, "job_hangs", LOG_STR("job", claim->id));
    return holds;
}

/* What was learned of the claim, unless the jobs thread has another one by now. */
static void note(struct watch *watch, const struct store_claim *claim, enum watch_wish wish,
                 bool renewed) {
    pthread_mutex_lock(&watch->lock);
    if (watch->holds && watch->claim.number == claim->number) {
        watch->wish = wish;
        if (renewed)
            watch->renewed_us = clock_monotonic_us();
        if (wish == WATCH_CANCEL || wish == WATCH_LOST)
            mark_leaving(watch);
    }
    pthread_mutex_unlock(&watch->lock);
}

/* A store that is busy or full for a moment is asked again at the next tick. */
static void look_after_claim(struct watch *watch) {
    static const enum watch_wish WISHES[] = {
        [STORE_GO_ON] = WATCH_GO_ON, [STORE_PAUSE] = WATCH_PAUSE, [STORE_CANCEL] = WATCH_CANCEL};
    struct store_claim claim;
    struct error err;
    enum store_wish wish = STORE_GO_ON;
    bool renew;
    if (!look(watch, &claim, &renew))
        return;
    enum status status = STATUS_OK;
    if (renew)
        status = store_claim_renew(watch->store, &claim, watch->options->lease_ms, &err);
    bool renewed = renew && status == STATUS_OK;
    if (status == STATUS_OK)
        status = store_claim_wish(watch->store, &claim, &wish, &err);
    if (status == STATUS_WRONG_STATE)
        note(watch, &claim, WATCH_LOST, false);
    else if (status == STATUS_OK)
        note(watch, &claim, WISHES[wish], renewed);
    else
        log_event(LOG_WARN, "store", LOG_STR("cause", err.detail));
}

static void leave(struct watch *watch, const struct store_claim *claim, bool holds,
                  enum watch_wish wish) {
    const struct store_outcome cancelled = {.state = JOB_CANCELLED};
    if (holds && wish == WATCH_CANCEL)
        (void)store_claim_finish(watch->store, claim, &cancelled, NULL);
    else if (holds && wish == WATCH_END)
        (void)store_claim_give_back(watch->store, claim, NULL);
    log_event(LOG_WARN, "left_at_once", LOG_STR("job", holds ? claim->id : NULL));
    _exit(0);
}

static void leave_if_late(struct watch *watch) {
    pthread_mutex_lock(&watch->lock);
    uint64_t since_us = watch->leave_us;
    struct store_claim claim = watch->claim;
    bool holds = watch->holds;
    enum watch_wish wish = wish_now(watch);
    pthread_mutex_unlock(&watch->lock);
    if (since_us != 0 && clock_monotonic_us() - since_us >= WATCH_LEAVE_MS * UINT64_C(1000))
        leave(watch, &claim, holds, wish);
}

static bool is_stopped(struct watch *watch) {
    pthread_mutex_lock(&watch->lock);
    bool stopped = watch->stopped;
    pthread_mutex_unlock(&watch->lock);
    return stopped;
}

static void *run(void *argument) {
    struct watch *watch = argument;
    const struct timespec tick = {.tv_nsec = TICK_MS * 1000000L};
    while (!is_stopped(watch)) {
        int signal = sigtimedwait(&watch->signals, NULL, &tick);
        if (signal == SIGTERM || signal == SIGINT)
            watch_end(watch);
        if (signal == SIGUSR1)
            wake(watch);
        look_after_claim(watch);
        leave_if_late(watch);
    }
    return NULL;
}

/* ---- its life ---- */

static void set_up(struct watch *watch) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&watch->lock, NULL);
    pthread_cond_init(&watch->woken, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigemptyset(&watch->signals);
    sigaddset(&watch->signals, SIGTERM);
    sigaddset(&watch->signals, SIGINT);
    sigaddset(&watch->signals, SIGUSR1);
}

static void destroy(struct watch *watch) {
    store_close(watch->store);
    pthread_cond_destroy(&watch->woken);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}

enum status watch_start(const struct trainer_options *options, struct watch **started,
                        struct error *err) {
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    watch->options = options;
    set_up(watch);
    const struct store_options store = {.data = options->data};
    enum status status = store_open(&store, &watch->store, err);
    if (status == STATUS_OK) {
        pthread_sigmask(SIG_BLOCK, &watch->signals, NULL);
        if (pthread_create(&watch->thread, NULL, run, watch) != 0)
            status = error_set(err, STATUS_INTERNAL, "no thread can be started");
    }
    if (status != STATUS_OK) {
        destroy(watch);
        return status;
    }
    *started = watch;
    return STATUS_OK;
}

void watch_stop(struct watch *watch) {
    if (!watch)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->stopped = true;
    pthread_mutex_unlock(&watch->lock);
    pthread_kill(watch->thread, SIGUSR1);
    pthread_join(watch->thread, NULL);
    destroy(watch);
}
