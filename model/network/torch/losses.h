/* The losses of train.h, where their formulas and papers are. */
#ifndef FACEPAIR_MODEL_NETWORK_TORCH_LOSSES_H
#define FACEPAIR_MODEL_NETWORK_TORCH_LOSSES_H

#include "model/network/train.h"

#include <ATen/core/Tensor.h>
#include <vector>

/* a, b (n, length), same (n) of 0 and 1, float32 -> a scalar. */
at::Tensor contrastive_loss(const at::Tensor &a, const at::Tensor &b, const at::Tensor &same,
                            double margin);

/* Pairs of a batch's rows, by their places in it. */
struct chosen_pairs {
    std::vector<int64_t> a, b;
    std::vector<float> same;
};
/* embeddings (n, length), identity (n) on the host. Throws when there is no pair, or a distance is
 * not finite. */
chosen_pairs mine_hardest(const at::Tensor &embeddings, const uint32_t *identity);
/* The contrastive loss of the pairs that mine_hardest chooses. */
at::Tensor batch_hard_loss(const at::Tensor &embeddings, const uint32_t *identity, double margin);

/* (identities, length) on the host. */
at::Tensor draw_columns(uint64_t seed, int64_t identities, int64_t length);
/* embeddings (n, length), columns (identities, length), identity (n) int64, all on one device.
 * options: of one of the two softmax losses. */
at::Tensor margin_softmax_loss(const at::Tensor &embeddings, const at::Tensor &columns,
                               const at::Tensor &identity,
                               const struct network_train_options &options);

#endif
