/* What the cgroups (v2) around this process grant it. A container is often granted less than the
 * machine has.
 */
#ifndef FACEPAIR_SERVER_CGROUP_H
#define FACEPAIR_SERVER_CGROUP_H

#include <stdint.h>

#define CGROUP_UNLIMITED UINT64_MAX

/* The smallest limit that `file` ("cpu.max", "memory.max") of this process's cgroup, or of one
 * above it, names. `parse` reads the file's first line; CGROUP_UNLIMITED is a line that limits
 * nothing, and the answer where nothing limits. */
uint64_t cgroup_granted(const char *file, uint64_t (*parse)(const char *line));

/* The same on the way from `root` ÷ `path` up to `root`, where `root` is where cgroup v2 is mounted
 * and `path` is the third field of /proc/self/cgroup, which begins with a slash; for tests. */
uint64_t cgroup_least(const char *root, const char *path, const char *file,
                      uint64_t (*parse)(const char *line));

#endif
