/* Which of a network's tensors are trained: `trainable` of train.h. */
#ifndef FACEPAIR_MODEL_NETWORK_TORCH_TRAINABLE_H
#define FACEPAIR_MODEL_NETWORK_TORCH_TRAINABLE_H

#include "model/network/torch/architecture.h"

/* Whether '*' and '?' of the pattern can stand for something so that it is the text. */
bool pattern_matches(std::string_view pattern, std::string_view text);

/* Those of the architecture's tensors that `trainable` means, in their order; they require a
 * gradient from now on. STATUS_INVALID_FIELD, with the option's name, when it means none. */
enum status trainable_choose(const char *trainable, const chain &arch,
                             const std::vector<parameter> &parameters,
                             std::vector<parameter> &chosen, struct error *err);

#endif
