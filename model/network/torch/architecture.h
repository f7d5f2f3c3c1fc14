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

/* An architecture whose weights are tensors by name, as a chain of stages that may be cut: the
 * first takes faces, then there is one for each block ("blocks.N.…" among the tensors), and the
 * last gives the embedding. */
class chain : public architecture {
  public:
    at::Tensor embed(const at::Tensor &faces) final { return run(faces, 0, stages()); }

    virtual size_t blocks() const = 0;
    size_t stages() const { return blocks() + 2; }
    /* What stage `index` takes of one face. Contiguous in this order where it leaves the chain and
     * enters it again. */
    virtual std::vector<int64_t> input_shape(size_t index) const = 0;
    /* Stages first … end − 1: (n, input_shape(first)) -> (n, input_shape(end)). */
    at::Tensor run(const at::Tensor &input, size_t first, size_t end);
    /* Whose tensor this is. */
    size_t stage_of(const std::string &tensor) const;

  private:
    virtual at::Tensor stage(size_t index, const at::Tensor &x) = 0;
    virtual const char *end_prefix() const = 0; /* of the names of the last stage's tensors */
};

/* The card's architecture, of those whose weights are tensors by name, on the weights' device.
 * Throws unless it takes every tensor, each in the shape that the card says. */
std::unique_ptr<chain> architecture_create(const struct card &card, weights &weights);

/* dlib_resnet.cpp. Throws when the card's sizes are not the architecture's. */
std::unique_ptr<chain> dlib_resnet_create(const struct card &card, weights &weights);
/* vit.cpp */
std::unique_ptr<chain> vit_create(const struct card &card, weights &weights);
/* torchscript.cpp. Throws unless network_trust_torchscript was told the card's hash. */
std::unique_ptr<architecture> torchscript_create(const struct card &card, const char *path,
                                                 c10::Device device);

#endif
