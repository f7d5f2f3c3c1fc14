/* How much memory this process may use; see cgroup.h. */
#ifndef FACEPAIR_SERVER_MEMORY_H
#define FACEPAIR_SERVER_MEMORY_H

#include <stdint.h>

/* Bytes: the smallest of the machine's memory and the limits of this process's cgroup and of all
 * above it (v2: memory.max, v1: memory.limit_in_bytes). */
uint64_t memory_granted(void);

/* The one line of such a file, in bytes or "max"; for tests. CGROUP_UNLIMITED for what limits
 * nothing. */
uint64_t memory_of_max(const char *line);

#endif
