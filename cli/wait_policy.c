/* OMP_WAIT_POLICY=passive, before libtorch's OpenMP library is initialised.
 *
 * libgomp lets a thread that waits for work spin by default. Preparation and embedding share the
 * cores here, and a spinning thread takes its core from the one that it waits for. The policy is
 * read once, by libgomp's constructor, from the environment: setting it in main() is too late, and
 * there is no call for it. So the program starts itself once more with the variable set.
 *
 * It does so from .preinit_array, which the dynamic loader runs after mapping all libraries and
 * before the constructor of any. Constructors are what loading libtorch costs (200 ms; mapping and
 * relocation take 10), so the first start is nearly free. The price is that libc's own constructor
 * has not run either: only the arguments and system calls may be used here.
 *
 * A policy that the user has set stays. Where the restart is not possible the program goes on as it
 * is: slower under load, no less right.
 */
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { ENVIRONMENT_MAX = 4096 };
#define POLICY "OMP_WAIT_POLICY="

/* The sanitizers' own constructors have not run yet. */
#define BEFORE_EVERYTHING __attribute__((no_sanitize("address", "undefined", "thread")))

BEFORE_EVERYTHING static void restart_waiting_passively(int argc, char **argv, char **environment) {
    (void)argc;
    static char *extended[ENVIRONMENT_MAX + 2];
    static char policy[] = POLICY "passive";
    static char program[PATH_MAX];
    size_t count = 0;
    for (; environment[count]; count++) {
        if (count == ENVIRONMENT_MAX || strncmp(environment[count], POLICY, strlen(POLICY)) == 0)
            return;
        extended[count] = environment[count];
    }
    extended[count] = policy;
    /* By its own name, not /proc/self/exe: the process is called after what was executed. */
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (length > 0)
        execve(program, argv, extended);
}

__attribute__((section(".preinit_array"),
               used)) static void (*const before_constructors)(int, char **,
                                                               char **) = restart_waiting_passively;
