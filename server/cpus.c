/* In a container with a cgroup namespace /proc/self/cgroup says "0::/" and the mount shows the
 * container's own cgroup as its root. Without that namespace it says a path of the host, which the
 * container's mount does not have: the files on the way are missing, are passed over, and the
 * root's own counts, which again is the container's. Both are covered by one walk upwards.
 */
#include "server/cpus.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 4096 };

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

static bool read_line(const char *path, char *line, size_t size) {
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool got = fgets(line, (int)size, file) != NULL;
    fclose(file);
    return got;
}

unsigned cpus_of_cgroup(const char *root, const char *path) {
    unsigned least = CPUS_UNLIMITED;
    size_t length = strlen(path);
    /* A path through ".." leads out of our namespace, where no file can be read by it. */
    if (strstr(path, ".."))
        length = 0;
    for (;;) {
        char name[PATH_MAX], line[LINE_MAX_BYTES];
        int written = snprintf(name, sizeof name, "%s%.*s/cpu.max", root, (int)length, path);
        if (written > 0 && (size_t)written < sizeof name && read_line(name, line, sizeof line)) {
            unsigned cpus = cpus_of_quota(line);
            least = cpus < least ? cpus : least;
        }
        if (length == 0)
            return least;
        do
            length--;
        while (length > 0 && path[length] != '/');
    }
}

/* The third field of the line "0::/path", into line; "/" where there is none. */
static const char *own_cgroup(char *line, size_t size) {
    const char *found = "/";
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return found;
    while (fgets(line, (int)size, file))
        if (strncmp(line, "0::/", 4) == 0) {
            line[strcspn(line, "\n")] = '\0';
            found = line + 3;
            break;
        }
    fclose(file);
    return found;
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
    char line[LINE_MAX_BYTES];
    unsigned affinity = cpus_of_affinity();
    unsigned quota = cpus_of_cgroup("/sys/fs/cgroup", own_cgroup(line, sizeof line));
    return affinity < quota ? affinity : quota;
}
