/* What the cgroups around this process grant it. A container is often granted less than the
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
/* The same of cgroup v1, in the hierarchy of `controller` ("memory", "memory.limit_in_bytes"). */
uint64_t cgroup_granted_v1(const char *controller, const char *file,
                           uint64_t (*parse)(const char *line));

/* The same on the way from `root` ÷ `path` up to `root`, where `root` is where the cgroups are
 * mounted and `path` is the third field of /proc/self/cgroup, which begins with a slash; for tests.
 */
uint64_t cgroup_least(const char *root, const char *path, const char *file,
                      uint64_t (*parse)(const char *line));
/* The third field of a line of /proc/self/cgroup (without its end), when the line is `controller`'s
 * ("": of v2), else NULL; for tests. */
const char *cgroup_path(const char *line, const char *controller);

#endif
