/* Visits every pair of images of a gallery once, block by block, on all cores. */
#ifndef FACEPAIR_MODEL_PAIR_SCAN_H
#define FACEPAIR_MODEL_PAIR_SCAN_H

#include "model/all_pairs.h"

#include <stdbool.h>

/* The distances of neighbouring people with neighbouring people. */
struct pair_block {
    const struct gallery *gallery;
    uint32_t row_people[2], column_people[2]; /* first and one past the last */
    uint32_t first_row, first_column;         /* images */
    const uint16_t *bins; /* bins[(row − first_row) × stride + column − …] */
    size_t stride;
};

struct pair_visitor {
    /* On the lane's thread, for each block on and right of the diagonal: on the diagonal both
     * people and images are the same ones, in both orders. False stops with out of memory. */
    bool (*visit)(void *context, unsigned lane, const struct pair_block *block);
    /* After the last block with these row_people; NULL: not called. */
    bool (*row_done)(void *context, unsigned lane, const struct pair_block *block);
    void *context;
};

/* per_unit for the gallery's distances. STATUS_INVALID_FIELD for a value that is not finite. */
enum status pair_scan_resolution(const struct gallery *gallery, double *per_unit,
                                 struct error *err);

/* lanes are 0 … ALL_PAIRS_LANES − 1; each gets the same blocks in the same order whatever the
 * number of threads. Asks after each row of blocks whether to go on. */
enum status pair_scan(const struct gallery *gallery, double per_unit, const struct crew *crew,
                      const struct pair_visitor *visitor, struct error *err);

#endif
