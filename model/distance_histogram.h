/* How distances of pairs of one person, and of two, spread: what error rates, areas and
 * probabilities are computed from.
 *
 * A distance d is rounded down to bin ⌊d × per_unit⌋; per_unit is 1, 2 or 5 times a power of ten,
 * so that bins begin at short decimals. Thresholds are bins too: threshold n, that is n ÷ per_unit,
 * accepts the bins below n. So the rounding changes no decision at such a threshold.
 */
#ifndef FACEPAIR_MODEL_DISTANCE_HISTOGRAM_H
#define FACEPAIR_MODEL_DISTANCE_HISTOGRAM_H

#include "server/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DISTANCE_BINS = 65536 };

struct distance_histogram {
    double per_unit;
    uint64_t genuine_pairs, impostor_pairs; /* of images */
    /* Of an all-pairs measurement; all 0 for a list of independent pairs. paired: people with two
     * or more images. */
    uint32_t people, people_paired, images;
    /* (DISTANCE_BINS) weights of the pairs in each bin; each kind sums to 1. One allocation. */
    double *genuine, *impostor;
};

/* The finest per_unit at which distances up to `longest` have bins. longest ≥ 0, finite. */
double distance_resolution(double longest);
/* STATUS_INTERNAL: out of memory. Everything is zero. */
enum status distance_histogram_create(double per_unit, struct distance_histogram *histogram,
                                      struct error *err);
void distance_histogram_release(struct distance_histogram *histogram);

/* Sums of weights differ from the rate they stand for by rounding: 100 pairs of weight 0.001 are a
 * rate of 0.1, whatever their sum in binary. */
static inline bool distance_rate_within(double rate, double limit) {
    return rate <= limit * (1 + 1e-9);
}

/* Rates at threshold n: the weight of impostor bins below n, and of genuine bins from n on. */
double distance_histogram_fmr(const struct distance_histogram *histogram, uint32_t threshold);
double distance_histogram_fnmr(const struct distance_histogram *histogram, uint32_t threshold);
/* The largest threshold whose FMR is at most fmr (0 … 1). */
uint32_t distance_histogram_threshold(const struct distance_histogram *histogram, double fmr);
/* The smallest threshold whose FNMR is at most fnmr (0 … 1). */
uint32_t distance_histogram_threshold_of_fnmr(const struct distance_histogram *histogram,
                                              double fnmr);

#endif
