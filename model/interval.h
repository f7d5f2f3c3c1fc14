/* 95 % intervals of error rates.
 *
 * interval_of_rate is for independent trials only: LFW's pair lists, where few photographs stand in
 * more than one pair. The pairs of an all-pairs comparison are not independent (one person stands
 * in thousands); for them there is model/bootstrap.h. */
#ifndef FACEPAIR_MODEL_INTERVAL_H
#define FACEPAIR_MODEL_INTERVAL_H

#include <stddef.h>
#include <stdint.h>

struct interval {
    double low, high; /* 0 ≤ low ≤ high ≤ 1 for a rate */
};

/* Of `events` in `trials` independent trials (events ≤ trials, trials > 0): Wilson's score
 * interval. Where nothing, or all, happened, the one-sided bound by the rule of three: 3 ÷ trials.
 */
struct interval interval_of_rate(uint64_t events, uint64_t trials);

/* The 2.5th and 97.5th percentile of count > 0 values, between two of them by a straight line
 * (NumPy's default). Sorts the values. */
struct interval interval_of_replicates(double *values, size_t count);
/* The same with (1 − confidence) ÷ 2 left out at either end; confidence is 0 to below 1. */
struct interval interval_of_confidence(double *values, size_t count, double confidence);

#endif
