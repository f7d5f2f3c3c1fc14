/* Is one version better than another, on the same photographs of the same people?
 *
 * Each is used at its own thresholds, which come from calibration people. On evaluation people:
 *
 *   FMR, FNMR   at the operating false-match rate: of all pairs, weighted as model/all_pairs.h
 * tells accuracy    at the threshold that is best for a list of pairs (pair_list.h) of the
 * calibration people: of such a list
 *
 * The intervals of the differences are those of a paired bootstrap over people: a replicate draws
 * as many people as there are, with replacement, and takes both versions' figures of the same ones:
 * an impostor pair counts k_a · k_b times, a genuine pair k_a times. Where several candidates have
 * been tried on the same people, one of them looks good by chance: each interval's confidence is 1
 * − 0.05 ÷ candidates (Bonferroni).
 *
 * A candidate whose threshold happens to be lax refuses fewer and lets more in. So it is also held
 * to a rate: to the base's on the evaluation people, or to the operating rate where that is higher;
 * its threshold is then the smaller of its own and the one that keeps to that rate there. It is
 * better when the whole interval of FNMR(base) − FNMR(candidate, held) is above 0.
 */
#ifndef FACEPAIR_MODEL_FINETUNE_COMPARISON_H
#define FACEPAIR_MODEL_FINETUNE_COMPARISON_H

#include "model/crew.h"
#include "model/finetune/pair_list.h"
#include "model/interval.h"
#include "model/json.h"

struct comparison_side {
    const char *name, *version;                     /* borrowed */
    const struct gallery *calibration, *evaluation; /* borrowed */
};

struct comparison_options {
    double fmr; /* the operating rate */
    uint32_t candidates, replicates;
    uint64_t seed;
    struct crew crew;
};

struct comparison_rates {
    double threshold, fmr, fnmr;
    double accuracy_threshold, accuracy;
};
struct comparison_difference {
    double value;
    struct interval interval;
};
struct comparison {
    struct comparison_rates base, candidate, held;
    struct comparison_difference fnmr;      /* base − candidate: above 0, fewer are refused */
    struct comparison_difference held_fnmr; /* base − held */
    struct comparison_difference fmr;       /* base − candidate */
    struct comparison_difference accuracy;  /* candidate − base */
    double confidence;
    uint32_t people, people_paired, images, genuine_listed, impostor_listed;
    bool better;
};

/* Both sides' galleries have the same people and photographs. STATUS_INVALID_FIELD: too few
 * (all_pairs_measure). Asks after each replicate whether to go on: STATUS_DRAINING (go_on.h). */
enum status comparison_measure(const struct comparison_side *base,
                               const struct comparison_side *candidate,
                               const struct comparison_options *options,
                               struct comparison *comparison, struct error *err);

/* As the innermost object's member "comparison". */
void comparison_write(struct json_writer *json, const struct comparison_side *base,
                      const struct comparison_side *candidate,
                      const struct comparison_options *options,
                      const struct comparison *comparison);

#endif
