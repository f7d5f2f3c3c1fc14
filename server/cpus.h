/* How many CPUs this process may use. A container is often granted less than the machine has; a
 * pool sized by the machine would only preempt itself.
 */
#ifndef FACEPAIR_SERVER_CPUS_H
#define FACEPAIR_SERVER_CPUS_H

/* The smaller of sched_getaffinity and the cpu.max (cgroup v2) of this process's cgroup and of all
 * above it, rounded up; at least 1. */
unsigned cpus_granted(void);

/* The parts of it, for tests. Both return CPUS_UNLIMITED where nothing limits. */
#define CPUS_UNLIMITED (~0u)
/* cpu.max's one line, "QUOTA PERIOD" in microseconds or "max PERIOD": quota ÷ period rounded up, at
 * least 1. Anything else limits nothing. */
unsigned cpus_of_quota(const char *cpu_max);
/* The smallest quota on the way from `root` ÷ `path` up to `root`, where `root` is where cgroup v2
 * is mounted and `path` is the third field of /proc/self/cgroup, which begins with a slash. */
unsigned cpus_of_cgroup(const char *root, const char *path);

#endif
