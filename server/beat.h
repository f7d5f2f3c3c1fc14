/* Whether a worker still moves: how long the piece of work that it has begun has been under way.
 *
 * The worker calls begin and end around each piece; anybody may ask. A piece hangs when it has
 * taken longer than the least that is allowed and than BEAT_FACTOR times the slowest piece ever
 * ended, so that load, or a large batch on a slow machine, never looks like a hang. */
#ifndef FACEPAIR_SERVER_BEAT_H
#define FACEPAIR_SERVER_BEAT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { BEAT_FACTOR = 10 };

struct beat {                       /* all zero: idle */
    atomic_uint_least64_t begun_us; /* clock_monotonic_us; 0: nothing is under way */
    atomic_uint_least64_t slowest_us;
};

void beat_begin(struct beat *beat, uint64_t now_us);
void beat_end(struct beat *beat, uint64_t now_us);
bool beat_hangs(const struct beat *beat, uint64_t now_us, uint64_t least_us);

#endif
