/* A file of weights, or of a training's state, as libtorch tensors: each checked against the shape
 * that its reader expects. */
#ifndef FACEPAIR_MODEL_NETWORK_TORCH_WEIGHTS_H
#define FACEPAIR_MODEL_NETWORK_TORCH_WEIGHTS_H

#include "model/safetensors.h"

#include <ATen/core/Tensor.h>
#include <memory>
#include <string>
#include <vector>

struct parameter {
    std::string name;
    at::Tensor value;
};

class weights {
  public:
    /* foreign: tensors in the file that are not the reader's (the card's head, for an
     * architecture). Throws with the sentence of safetensors_open. */
    weights(const char *path, c10::Device device, size_t foreign);
    /* A copy, contiguous, on the device. Throws when it is missing, of another shape, or holds a
     * value that is not finite: one such weight would make every distance NaN, and NaN < threshold
     * is a decision. */
    at::Tensor take(const std::string &name, at::IntArrayRef shape);
    /* What was taken, in that order: the very tensors, so that who computes with them sees them
     * change. */
    const std::vector<parameter> &parameters() const { return taken; }
    /* After the last take: throws when the file holds tensors that nobody took. */
    void finish() const;

  private:
    struct closer {
        void operator()(struct safetensors *file) const { safetensors_close(file); }
    };
    std::unique_ptr<struct safetensors, closer> file;
    c10::Device device;
    size_t foreign;
    std::vector<parameter> taken;
};

/* safetensors_write, of tensors on any device. */
enum status parameters_write(const char *path, const std::vector<parameter> &parameters,
                             struct error *err);

#endif
