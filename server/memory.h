/* How much memory this process may use; see cgroup.h. */
#ifndef FACEPAIR_SERVER_MEMORY_H
#define FACEPAIR_SERVER_MEMORY_H

#include <stdint.h>

/* Bytes: the smaller of the machine's memory and the memory.max of this process's cgroup and of all
 * above it. */
uint64_t memory_granted(void);

/* memory.max's one line, in bytes or "max"; for tests. CGROUP_UNLIMITED for what limits nothing. */
uint64_t memory_of_max(const char *line);

#endif
