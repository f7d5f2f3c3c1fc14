/* The loss on people that no step is taken on: it chooses the epoch that is kept, and lowers the
 * learning rate. Always of the same pairs, of photographs as they are.
 *
 * Where pairs are trained on, it is the same contrastive loss (network/train.h). Mining and margin
 * softmaxes move all distances, so that no loss with a fixed margin tells whether an epoch was
 * better; for them it is what the distances are worth once calibrated, with a and b such that it is
 * smallest:
 *
 *     −½ mean over one person's pairs of ln p(d) − ½ mean over two people's of ln(1 − p(d)),
 *     p(d) = 1 / (1 + exp(b·d − a))
 *
 * which is ln 2 for distances that tell nothing, and 0 for those that never err. After a margin
 * softmax, which learns angles, d is of embeddings of length 1.
 */
#ifndef FACEPAIR_MODEL_FINETUNE_VALIDATION_H
#define FACEPAIR_MODEL_FINETUNE_VALIDATION_H

#include "model/finetune/plan.h"

struct validation {
    struct plan pairs;
    const struct views *views;
    const struct finetune_hyperparameters *parameters;
    uint32_t length;   /* of what the network gives */
    float *embeddings; /* (views->validation, length) */
    double *distances; /* (pairs) */
};

/* The arguments are borrowed. STATUS_INVALID_FIELD: no pairs of both kinds. */
enum status validation_begin(const struct album *album, const struct parts *parts,
                             const struct views *views,
                             const struct finetune_hyperparameters *parameters, uint32_t length,
                             struct validation *validation, struct error *err);
void validation_end(struct validation *validation); /* a zeroed one is allowed */

enum status validation_measure(struct validation *validation, struct network_train *train,
                               double *loss, struct error *err);

/* The smallest calibrated log loss of distances of both kinds. */
double validation_log_loss(const double *distances, const uint8_t *same, uint32_t count);

#endif
