/* How sure error rates over all pairs are: a bootstrap over people.
 *
 * The people of a gallery are drawn anew, as many as there are, with replacement: someone drawn k
 * times weighs k in each pair they are in (k of one × k of the other; k for pairs of their own
 * images). Pairs of one person with themselves drawn twice are no impostor pairs. The spread of the
 * rates over the replicates is the interval: 2.5th to 97.5th percentile. Resampling pairs instead
 * would take pairs that share a person for independent, and give intervals that are far too narrow.
 *
 * What nobody showed cannot be resampled. Where no impostor pair was accepted, the rule of three
 * over the independent trials there are, ⌊people ÷ 2⌋ pairs of different people, bounds the FMR, or
 * the bound at the next threshold where it is smaller. FNMR's bound is never below 3 ÷ people with
 * two images. So all bounds rise (FMR) or fall (FNMR) with the threshold, as the rates do.
 */
#ifndef FACEPAIR_MODEL_BOOTSTRAP_H
#define FACEPAIR_MODEL_BOOTSTRAP_H

#include "model/all_pairs.h"
#include "model/interval.h"

enum { BOOTSTRAP_REPLICATES = 1000, BOOTSTRAP_REPLICATES_MAX = 100000 };

struct bootstrap_options {
    uint32_t replicates; /* rounded up to a multiple of 64 */
    uint64_t seed;
    struct crew crew;
};

/* fmr and fnmr (thresholds_count), at each threshold of the shares. The same for any number of
 * threads. Asks after each 64 replicates whether to go on: STATUS_DRAINING (go_on.h). */
enum status bootstrap_people(const struct all_pairs_shares *shares,
                             const struct bootstrap_options *options, struct interval *fmr,
                             struct interval *fnmr, struct error *err);

#endif
