/* A seeded generator of our own, so that a resampling gives the same numbers on every machine and
 * with every C library. Not for secrets. */
#ifndef FACEPAIR_MODEL_RANDOM_H
#define FACEPAIR_MODEL_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random_generator {
    uint64_t state[4];
};

struct random_generator random_seeded(uint64_t seed);
uint64_t random_bits(struct random_generator *generator);
/* Uniform in 0…bound−1, without the bias of a remainder; bound > 0. */
uint32_t random_below(struct random_generator *generator, uint32_t bound);
/* Every order with the same chance. */
void random_shuffle(struct random_generator *generator, uint32_t *values, size_t count);

#endif
