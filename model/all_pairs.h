/* The distances of all pairs of images in a gallery: how they spread (a histogram), and whose pairs
 * they are (shares, for resampling people).
 *
 * Weights. Each pair of different people counts one, shared equally among its pairs of images: an
 * impostor pair of images weighs 1 ÷ (images of a × images of b). Each person with two or more
 * images counts one, shared among their own pairs. So one person's 530 photographs do not decide
 * the figures.
 *
 * Distances are computed in double and rounded down to their bin (model/distance_histogram.h).
 *
 * The figures do not depend on the number of threads.
 */
#ifndef FACEPAIR_MODEL_ALL_PAIRS_H
#define FACEPAIR_MODEL_ALL_PAIRS_H

#include "model/crew.h"
#include "model/distance_histogram.h"
#include "model/gallery.h"

#include <stdbool.h>
#include <stddef.h>

enum { ALL_PAIRS_LANES = 32, ALL_PAIRS_IMAGES_MAX = 200000, ALL_PAIRS_THRESHOLDS_MAX = 512 };

/* STATUS_INVALID_FIELD for fewer than two people, no person with two images, more than
 * ALL_PAIRS_IMAGES_MAX images, or an embedding that is not finite; STATUS_DRAINING (go_on.h). */
enum status all_pairs_measure(const struct gallery *gallery, const struct crew *crew,
                              struct distance_histogram *histogram, struct error *err);

/* How much of one pair of people first becomes accepted at one threshold. */
struct all_pairs_share {
    uint32_t person; /* the second of the pair */
    float share;     /* 0 … 1, of the pair's images */
};
/* The shares of one person with all later ones, at one threshold: they stand together. */
struct all_pairs_run {
    uint32_t person, threshold; /* the threshold's index */
    size_t end;                 /* in the lane's shares; it begins where the run before it ends */
};
/* What one lane of the computation found; a lane is the work of one thread. */
struct all_pairs_lane {
    struct all_pairs_share *shares;
    struct all_pairs_run *runs;
    size_t shares_count, shares_room, runs_count, runs_room;
};
struct all_pairs_shares {
    uint32_t people, people_paired, thresholds_count;
    bool *paired; /* (people) those with two or more images */
    struct all_pairs_lane impostor[ALL_PAIRS_LANES];
    struct all_pairs_lane genuine[ALL_PAIRS_LANES]; /* a person with themselves */
};

/* For thresholds[0…count) in bins, rising. Pairs that no threshold accepts have no share. */
enum status all_pairs_share_out(const struct gallery *gallery, const uint32_t *thresholds,
                                uint32_t count, const struct crew *crew,
                                struct all_pairs_shares *shares, struct error *err);
void all_pairs_shares_release(struct all_pairs_shares *shares);

#endif
