/* xoshiro256** 1.0 (Blackman and Vigna, "Scrambled linear pseudorandom number generators", ACM
 * Transactions on Mathematical Software 47, 2021): 256 bits of state, period 2²⁵⁶ − 1. Its state is
 * filled by SplitMix64 (Steele, Lea and Flood 2014), as its authors advise, so that seeds which
 * differ in one bit start far apart and no seed gives the all-zero state. A bounded number is made
 * by Lemire's multiplication ("Fast random integer generation in an interval", 2019): the high half
 * of a 32 × 32-bit product, redrawn in the few cases that would be over-represented. */
#include "model/random.h"

#include <assert.h>

static uint64_t split_mix(uint64_t *state) {
    uint64_t value = *state += 0x9e3779b97f4a7c15u;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

struct random_generator random_seeded(uint64_t seed) {
    struct random_generator generator;
    for (unsigned i = 0; i < 4; i++)
        generator.state[i] = split_mix(&seed);
    return generator;
}

static uint64_t rotate_left(uint64_t value, unsigned bits) {
    return (value << bits) | (value >> (64 - bits));
}

uint64_t random_bits(struct random_generator *generator) {
    uint64_t *s = generator->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint32_t random_below(struct random_generator *generator, uint32_t bound) {
    assert(bound > 0);
    uint32_t over_represented = -bound % bound; /* 2³² mod bound */
    for (;;) {
        uint64_t product = (random_bits(generator) >> 32) * bound;
        if ((uint32_t)product >= over_represented)
            return (uint32_t)(product >> 32);
    }
}

/* Fisher and Yates. */
void random_shuffle(struct random_generator *generator, uint32_t *values, size_t count) {
    assert(count <= UINT32_MAX);
    for (size_t i = count; i > 1; i--) {
        uint32_t j = random_below(generator, (uint32_t)i);
        uint32_t kept = values[i - 1];
        values[i - 1] = values[j];
        values[j] = kept;
    }
}
