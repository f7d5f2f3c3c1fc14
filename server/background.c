/* SCHED_IDLE has the weight of a three-hundredth of another thread, where nice 19 has a sixtieth;
 * whoever wakes up preempts it at once. A process in a session of its own would get a group of the
 * scheduler for itself where autogroup is on, and neither would count against the others: so who
 * starts it must not let it have one (no setsid). */
#include "server/background.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/ioprio.h, which older headers lack. */
enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_CLASS_IDLE = 3, IOPRIO_CLASS_SHIFT = 13 };
enum { NICEST = 19 };

static void step_back(void) {
    const struct sched_param none = {0};
    if (sched_setscheduler(0, SCHED_IDLE, &none) != 0)
        (void)setpriority(PRIO_PROCESS, 0, NICEST);
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
                  (int)IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT);
}

static void be_first_to_go(void) {
    struct background_place place;
    background_place_open(&place);
    background_place_worst(&place);
    if (place.fd >= 0)
        close(place.fd);
}

void background_place_open(struct background_place *place) {
    place->fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    ssize_t size = place->fd < 0 ? 0 : read(place->fd, place->own, sizeof place->own - 1);
    place->own[size < 0 ? 0 : size] = '\0';
}

static void place_set(const struct background_place *place, const char *text) {
    if (place->fd >= 0)
        (void)!pwrite(place->fd, text, strlen(text), 0);
}

void background_place_worst(const struct background_place *place) { place_set(place, "1000"); }

void background_place_own(const struct background_place *place) { place_set(place, place->own); }

/* What RLIMIT_DATA counts so far: the sixth number of statm, in pages. */
static uint64_t memory_now(void) {
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    int read = fscanf(file, "%*u %*u %*u %*u %*u %llu", &pages);
    fclose(file);
    return read == 1 ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

/* Below what is mapped already it would fail the very next allocation: a sanitizer, say, has
 * reserved terabytes that it never touches. */
static void limit_memory(uint64_t bytes_max) {
    struct rlimit limit;
    if (bytes_max == 0 || getrlimit(RLIMIT_DATA, &limit) != 0 || memory_now() >= bytes_max)
        return;
    limit.rlim_cur = bytes_max < limit.rlim_max ? bytes_max : limit.rlim_max;
    (void)setrlimit(RLIMIT_DATA, &limit);
}

/* A parent that ended before prctl sends nothing: whose child this is now tells. */
static enum status follow(pid_t parent, struct error *err) {
    if (parent == 0)
        return STATUS_OK;
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
        return error_set(err, STATUS_INTERNAL, "PR_SET_PDEATHSIG: %s", strerror(errno));
    if (getppid() != parent)
        return error_set(err, STATUS_INTERNAL, "process %ld, which has started this one, is gone",
                         (long)parent);
    return STATUS_OK;
}

enum status background_become(const struct background *background, struct error *err) {
    enum status status = follow(background->parent, err);
    if (status != STATUS_OK)
        return status;
    step_back();
    be_first_to_go();
    limit_memory(background->memory_bytes_max);
    return STATUS_OK;
}
