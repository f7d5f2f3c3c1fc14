#include "server/memory.h"

#include "server/cgroup.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

uint64_t memory_of_max(const char *line) {
    char *end;
    errno = 0;
    /* strtoull would take a sign too */
    unsigned long long bytes = isdigit((unsigned char)*line) ? strtoull(line, &end, 10) : 0;
    if (bytes == 0 || (*end != '\n' && *end != '\0') || errno)
        return CGROUP_UNLIMITED;
    return bytes;
}

uint64_t memory_granted(void) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t machine = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : CGROUP_UNLIMITED;
    uint64_t v2 = cgroup_granted("memory.max", memory_of_max);
    uint64_t v1 = cgroup_granted_v1("memory", "memory.limit_in_bytes", memory_of_max);
    uint64_t cgroup = v1 < v2 ? v1 : v2;
    return machine < cgroup ? machine : cgroup;
}
