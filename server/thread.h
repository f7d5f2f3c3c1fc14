/* Threads of the program's own: signals are for its first thread, and whoever looks at a busy
 * machine (top -H, perf) sees which part of the service it is.
 */
#ifndef FACEPAIR_SERVER_THREAD_H
#define FACEPAIR_SERVER_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { THREAD_NAME_SIZE = 16 }; /* Linux's limit, with the terminator */

/* Starts a thread that takes no signal; the name is cut at the limit. Returns pthread_create's
 * error number, 0: started. Any thread. */
int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument);

/* Waits until so many threads have counted themselves in `ended`, as the last that they do before
 * they can be joined at once; at most until clock_monotonic_us() is until_us. False: not so many
 * have. It looks once a millisecond: for the end of a program. */
bool thread_ended_by(const atomic_uint *ended, unsigned count, uint64_t until_us);

#endif
