/* What every network is behind network.h and train.h: one class and one line in architecture.cpp's
 * table each. */
#ifndef FACEPAIR_MODEL_NETWORK_TORCH_ARCHITECTURE_H
#define FACEPAIR_MODEL_NETWORK_TORCH_ARCHITECTURE_H

#include "model/card.h"
#include "model/network/torch/weights.h"

#include <ATen/core/Tensor.h>
#include <memory>

class architecture {
  public:
    virtual ~architecture() = default;
    /* faces (n, 3, side, side) float32 on the device -> (n, embedding.network_length) float32
     * there. One thread at a time. Of an architecture made outside inference mode the result has a
     * derivative by every tensor that it took. Throws c10::Error. */
    virtual at::Tensor embed(const at::Tensor &faces) = 0;
};

/* The card's architecture, of those whose weights are tensors by name, on the weights' device.
 * Throws unless it takes every tensor, each in the shape that the card says. */
std::unique_ptr<architecture> architecture_create(const struct card &card, weights &weights);

/* dlib_resnet.cpp. Throws when the card's sizes are not the architecture's. */
std::unique_ptr<architecture> dlib_resnet_create(const struct card &card, weights &weights);
/* vit.cpp */
std::unique_ptr<architecture> vit_create(const struct card &card, weights &weights);
/* torchscript.cpp. Throws unless network_trust_torchscript was told the card's hash. */
std::unique_ptr<architecture> torchscript_create(const struct card &card, const char *path,
                                                 c10::Device device);

#endif
