#include "server/cpus.h"

#include "server/cgroup.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>

unsigned cpus_of_quota(const char *cpu_max) {
    char *end;
    errno = 0;
    long long quota = strtoll(cpu_max, &end, 10); /* "max" is no number and ends where it begins */
    if (end == cpu_max || *end != ' ' || errno || quota <= 0)
        return CPUS_UNLIMITED;
    const char *rest = end + 1;
    long long period = strtoll(rest, &end, 10);
    if (end == rest || (*end != '\n' && *end != '\0') || errno || period <= 0)
        return CPUS_UNLIMITED;
    long long cpus = quota / period + (quota % period != 0);
    return cpus < INT_MAX ? (unsigned)cpus : CPUS_UNLIMITED;
}

static uint64_t parse_quota(const char *line) {
    unsigned cpus = cpus_of_quota(line);
    return cpus == CPUS_UNLIMITED ? CGROUP_UNLIMITED : cpus;
}

static unsigned as_cpus(uint64_t limit) {
    return limit < CPUS_UNLIMITED ? (unsigned)limit : CPUS_UNLIMITED;
}

unsigned cpus_of_cgroup(const char *root, const char *path) {
    return as_cpus(cgroup_least(root, path, "cpu.max", parse_quota));
}

static unsigned cpus_of_affinity(void) {
    /* The kernel refuses a set smaller than its own: more CPUs than 1,024 need a larger one. */
    for (int most = CPU_SETSIZE; most <= 64 * CPU_SETSIZE; most *= 4) {
        cpu_set_t *set = CPU_ALLOC(most);
        if (!set)
            break;
        size_t size = CPU_ALLOC_SIZE(most);
        int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (count > 0)
            return (unsigned)count;
    }
    return 1;
}

unsigned cpus_granted(void) {
    unsigned affinity = cpus_of_affinity();
    unsigned quota = as_cpus(cgroup_granted("cpu.max", parse_quota));
    return affinity < quota ? affinity : quota;
}
