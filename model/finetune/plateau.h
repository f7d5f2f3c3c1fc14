/* The learning rate that falls when the loss no longer does: PyTorch's ReduceLROnPlateau, mode
 * "min", with its defaults but for factor and patience: a loss is better when it is below
 * best · (1 − 1e-4); after more than `patience` epochs in a row that were not, the rate is
 * multiplied by the factor, unless that would change it by 1e-8 or less. No cool-down.
 *
 * The whole state is in the struct, so that a checkpoint can hold it.
 */
#ifndef FACEPAIR_MODEL_FINETUNE_PLATEAU_H
#define FACEPAIR_MODEL_FINETUNE_PLATEAU_H

#include <stdint.h>

struct plateau {
    double factor;
    uint32_t patience;
    double learning_rate;
    double best;         /* INFINITY before the first epoch */
    uint32_t bad_epochs; /* in a row */
};

struct plateau plateau_begin(double learning_rate, double factor, uint32_t patience);
/* After an epoch; a loss that is not a number is no better than any. Returns the rate. */
double plateau_step(struct plateau *plateau, double loss);

#endif
