/* What a process that has been taken over could still reach: as little as its work needs. Two of
 * the kernel's means, each used as far as the kernel has it:
 *
 *   sandbox_files.c  Landlock: files outside the lists cannot be opened, nor made, nor executed;
 *                    nor can processes outside be signalled or looked into
 *   sandbox_calls.c  seccomp: system calls that no server needs (mounts, modules, other processes'
 *                    memory, namespaces, …) fail with EPERM, and so do new internet sockets: nobody
 *                    beyond this machine is called, what is said goes to who has called. Sockets
 *                    between processes stay, which the C library and drivers use
 *
 * Descriptors that are open stay usable. Whoever is started from here is confined likewise.
 * Threads that exist are not confined by Landlock: so before any is started.
 */
#ifndef FACEPAIR_SERVER_SANDBOX_H
#define FACEPAIR_SERVER_SANDBOX_H

#include <stdbool.h>

struct sandbox {
    /* Files, and directories with everything in them; NULL at the end. What is not there is passed
     * over. */
    const char *const *readable, *const *writable;
    const char *const *devices; /* to be read, written and controlled */
    bool starts_itself;         /* may execute its own program, and nothing else; else nothing */
};

struct sandbox_held {
    int landlock_abi; /* 0: the kernel has none, or too old a one */
    bool calls;       /* the system calls are filtered */
};

/* PR_SET_NO_NEW_PRIVS is set. Tells what holds from now on. */
struct sandbox_held sandbox_enter(const struct sandbox *sandbox);

/* The two halves: 0, false where it cannot be. */
int sandbox_files(const struct sandbox *sandbox);
bool sandbox_calls(const struct sandbox *sandbox);

#endif
