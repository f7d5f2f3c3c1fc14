#include "server/thread.h"

#include "server/clock.h"

#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

/* A thread begins with the mask and the name of the one that starts it. pthread_setname_np would
 * name another thread by a file of /proc, which the sandbox does not let us write. */
int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument) {
    sigset_t all, mask;
    char own_name[THREAD_NAME_SIZE] = "";
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    prctl(PR_GET_NAME, own_name);
    prctl(PR_SET_NAME, name);
    int failure = pthread_create(thread, NULL, run, argument);
    prctl(PR_SET_NAME, own_name);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return failure;
}

bool thread_ended_by(const atomic_uint *ended, unsigned count, uint64_t until_us) {
    while (atomic_load(ended) < count) {
        if (clock_monotonic_us() >= until_us)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return true;
}
