/* Adam: Kingma and Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1. With the
 * gradient g, at step t = 1, 2, …:
 *
 *     m ← β1·m + (1 − β1)·g
 *     v ← β2·v + (1 − β2)·g²
 *     θ ← θ − rate · m/(1 − β1ᵗ) / (√(v/(1 − β2ᵗ)) + ε)
 *
 * libtorch has one too (torch::optim::Adam). Ours is this short, and its state is in reach of a
 * checkpoint.
 */
#ifndef FACEPAIR_MODEL_NETWORK_TORCH_ADAM_H
#define FACEPAIR_MODEL_NETWORK_TORCH_ADAM_H

#include <ATen/core/Tensor.h>
#include <vector>

struct adam_rates {
    double learning_rate, beta1, beta2, epsilon;
    double average; /* of train.h; 0: none is kept */
};

/* θ, m and v of one tensor, and its running mean or an undefined tensor. */
struct adam_moments {
    at::Tensor parameter, m, v, average;
};

class adam {
  public:
    /* parameters: leaves that require a gradient; moved in place. */
    adam(const std::vector<at::Tensor> &parameters, const adam_rates &rates);
    void forget_gradients(); /* which a backward pass would add to */
    void step();             /* by the gradients that a backward pass has left */

    adam_rates rates;
    std::vector<adam_moments> moments; /* in the order of the parameters */
    uint64_t steps = 0;
};

#endif
