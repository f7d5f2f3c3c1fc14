/* What every network is behind network.h: one class and one line in network.cpp's table each. */
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
     * there. Called in inference mode, one thread at a time. Throws c10::Error. */
    virtual at::Tensor embed(const at::Tensor &faces) = 0;
};

/* dlib_resnet.cpp. Throws when the card's sizes are not the architecture's. */
std::unique_ptr<architecture> dlib_resnet_create(const struct card &card, weights &weights,
                                                 c10::Device device);
/* torchscript.cpp. Throws unless network_trust_torchscript was told the card's hash. */
std::unique_ptr<architecture> torchscript_create(const struct card &card, const char *path,
                                                 c10::Device device);
/* vit.cpp */
std::unique_ptr<architecture> vit_create(const struct card &card, weights &weights,
                                         c10::Device device);

#endif
