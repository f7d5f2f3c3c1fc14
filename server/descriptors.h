/* How many files and sockets this process may have open (RLIMIT_NOFILE). */
#ifndef FACEPAIR_SERVER_DESCRIPTORS_H
#define FACEPAIR_SERVER_DESCRIPTORS_H

#include <stdint.h>

/* Raises the limit to `wanted`, or as far towards it as this process may; never lowers it. Returns
 * what it is then. Processes started later inherit it. */
uint64_t descriptors_allow(uint64_t wanted);

#endif
