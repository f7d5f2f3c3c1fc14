/* LFW's View 2: accuracy by folds, the threshold of each chosen on the others. */
#ifndef FACEPAIR_MODEL_FOLDS_H
#define FACEPAIR_MODEL_FOLDS_H

#include "model/evaluation.h"

enum { FOLDS_MAX = 100 };

struct folds {
    uint32_t count;
    struct fold {
        size_t pairs;
        double threshold, accuracy;
    } list[FOLDS_MAX];
    double accuracy, standard_error; /* the mean, and the folds' deviation ÷ √folds */
};

/* fold_of[i] (below count, 2 … FOLDS_MAX) is the fold of pair i. STATUS_INVALID_FIELD when a fold
 * is empty or a distance is not finite. */
enum status folds_measure(const struct evaluation_pair *pairs, const uint32_t *fold_of,
                          size_t pairs_count, uint32_t count, struct folds *folds,
                          struct error *err);

#endif
