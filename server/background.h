/* How a process steps back behind the others of its machine: it computes when nobody else wants to,
 * reads and writes when no other does, and is the first to go when memory ends. */
#ifndef FACEPAIR_SERVER_BACKGROUND_H
#define FACEPAIR_SERVER_BACKGROUND_H

#include "server/status.h"

#include <stdint.h>
#include <sys/types.h>

struct background {
    /* Of private memory that can be written (RLIMIT_DATA), beyond which allocations fail; 0: no
     * limit. What is mapped from files, as libraries and a cache on disk are, is not counted, as
     * RLIMIT_AS would. One below what the process has at its start is left out. */
    uint64_t memory_bytes_max;
    /* Who has started it: SIGTERM comes when that process ends. 0: nobody is followed. */
    pid_t parent;
};

/* On the first thread, before there are others, which inherit it. What the system refuses is left
 * as it is, but for the parent: STATUS_INTERNAL when that is gone already. */
enum status background_become(const struct background *background, struct error *err);

/* This process's own place among those that go when memory ends, kept open for when a sandbox lets
 * nobody write there any more. What it starts while it has the worst one inherits that. */
struct background_place {
    int fd; /* -1: it cannot be changed */
    char own[8];
};
void background_place_open(struct background_place *place);
void background_place_worst(const struct background_place *place);
void background_place_own(const struct background_place *place);

#endif
