/* One round at a time: team_run writes what is to be done and counts `round` up under the lock; a
 * helper that wakes to a new round works when its number is among the round's members, and the last
 * to finish wakes the caller. A helper that is not among them may sleep through the round: the
 * fields of the next one are written only when `busy` is 0, and nobody else reads them.
 *
 * Niceness. A thread may make itself nicer, but only the privileged may take that back; a new
 * thread is as nice as the one that creates it. So where the caller is less nice than the thread
 * that created the helpers (a network that was warmed up on the disk thread goes to the device
 * worker), the caller replaces them by its own, once.
 */
#include "model/network/team.h"

#include "server/thread.h"
#include "server/wipe.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct helper {
    struct team *team;
    unsigned member;
    unsigned long born; /* the round that was the last one then */
    pthread_t thread;
};

struct team {
    unsigned helpers_max, helpers_count;
    int born_nice; /* of the thread that created the helpers */
    pthread_mutex_t lock;
    pthread_cond_t begun, finished;
    /* Under the lock. */
    bool closing;
    unsigned long round;
    unsigned members, busy;
    int nice;
    void (*work)(void *context, unsigned member);
    void *context;
    struct helper helpers[];
};

static void *helper_thread(void *argument) {
    const struct helper *helper = argument;
    struct team *team = helper->team;
    unsigned long seen = helper->born;
    int nice = getpriority(PRIO_PROCESS, (id_t)gettid());
    pthread_mutex_lock(&team->lock);
    for (;;) {
        while (!team->closing && (team->round == seen || helper->member >= team->members))
            pthread_cond_wait(&team->begun, &team->lock);
        if (team->closing)
            break;
        seen = team->round;
        void (*work)(void *, unsigned) = team->work;
        void *context = team->context;
        int wanted = team->nice;
        pthread_mutex_unlock(&team->lock);
        if (nice != wanted) {
            /* On Linux a thread's id stands for the thread alone. A refusal costs only politeness.
             */
            setpriority(PRIO_PROCESS, (id_t)gettid(), wanted);
            nice = wanted;
        }
        work(context, helper->member);
        wipe_stack(); /* the caller wipes its own */
        pthread_mutex_lock(&team->lock);
        if (--team->busy == 0)
            pthread_cond_signal(&team->finished);
    }
    pthread_mutex_unlock(&team->lock);
    return NULL;
}

/* As many as can be had; the number is in helpers_count. Returns errno's value of the failure. */
static int start_helpers(struct team *team) {
    int failure = 0;
    team->born_nice = getpriority(PRIO_PROCESS, (id_t)gettid());
    while (team->helpers_count < team->helpers_max && !failure) {
        struct helper *helper = &team->helpers[team->helpers_count];
        *helper =
            (struct helper){.team = team, .member = team->helpers_count + 1, .born = team->round};
        failure = thread_start(&helper->thread, "embed", helper_thread, helper);
        team->helpers_count += !failure;
    }
    return failure;
}

static void stop_helpers(struct team *team) {
    pthread_mutex_lock(&team->lock);
    team->closing = true;
    pthread_mutex_unlock(&team->lock);
    pthread_cond_broadcast(&team->begun);
    for (unsigned i = 0; i < team->helpers_count; i++)
        pthread_join(team->helpers[i].thread, NULL);
    team->helpers_count = 0;
    team->closing = false;
}

enum status team_create(unsigned threads, struct team **result, struct error *err) {
    assert(threads > 0);
    struct team *team = calloc(1, sizeof *team + (threads - 1) * sizeof team->helpers[0]);
    if (!team)
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->begun, NULL);
    pthread_cond_init(&team->finished, NULL);
    team->helpers_max = threads - 1;
    int failure = start_helpers(team);
    if (failure) {
        team_destroy(team);
        return error_set(err, STATUS_INTERNAL, "A thread of the network cannot be started: %s.",
                         strerror(failure));
    }
    *result = team;
    return STATUS_OK;
}

void team_destroy(struct team *team) {
    if (!team)
        return;
    stop_helpers(team);
    pthread_cond_destroy(&team->finished);
    pthread_cond_destroy(&team->begun);
    pthread_mutex_destroy(&team->lock);
    free(team);
}

/* How many of the helpers that the members ask for are there, at least as eager as the caller. */
static unsigned prepare_helpers(struct team *team, unsigned members) {
    if (members > 1 && getpriority(PRIO_PROCESS, (id_t)gettid()) < team->born_nice) {
        stop_helpers(team);
        (void)start_helpers(team); /* the caller does the work of those that cannot be had */
    }
    return members - 1 < team->helpers_count ? members - 1 : team->helpers_count;
}

void team_run(struct team *team, unsigned members, void (*work)(void *context, unsigned member),
              void *context) {
    assert(members > 0 && members <= team->helpers_max + 1);
    unsigned helpers = prepare_helpers(team, members);
    if (helpers > 0) {
        pthread_mutex_lock(&team->lock);
        assert(team->busy == 0);
        team->members = helpers + 1;
        team->busy = helpers;
        team->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
        team->work = work;
        team->context = context;
        team->round++;
        pthread_mutex_unlock(&team->lock);
        pthread_cond_broadcast(&team->begun);
    }
    work(context, 0);
    for (unsigned member = helpers + 1; member < members; member++)
        work(context, member);
    if (helpers > 0) {
        pthread_mutex_lock(&team->lock);
        while (team->busy)
            pthread_cond_wait(&team->finished, &team->lock);
        pthread_mutex_unlock(&team->lock);
    }
}
