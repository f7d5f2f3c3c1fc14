/* The time that one input may take, of this process's own: a busy machine is no fault of an input.
 */
#ifndef FACEPAIR_TESTS_FUZZ_CPU_H
#define FACEPAIR_TESTS_FUZZ_CPU_H

#include <time.h>

enum { FUZZ_CPU_S_MAX = 1 };

static inline double fuzz_cpu_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#endif
