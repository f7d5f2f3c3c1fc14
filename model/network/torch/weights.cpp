#include "model/network/torch/weights.h"

#include <ATen/ATen.h>
#include <cmath>
#include <stdexcept>

weights::weights(const char *path, c10::Device where, size_t foreign)
    : device(where), foreign(foreign) {
    struct safetensors *opened = nullptr;
    struct error cause;
    if (safetensors_open(path, &opened, &cause) != STATUS_OK)
        throw std::runtime_error(cause.detail);
    file.reset(opened);
}

at::Tensor weights::take(const std::string &name, at::IntArrayRef shape) {
    const struct safetensors_tensor *found = safetensors_find(file.get(), name.c_str());
    if (!found)
        throw std::runtime_error("the weights have no tensor " + name);
    bool same = found->rank == shape.size();
    for (size_t i = 0; same && i < shape.size(); i++)
        same = found->shape[i] == static_cast<uint64_t>(shape[i]);
    if (!same)
        throw std::runtime_error("the weights' tensor " + name + " has another shape");
    at::Tensor copy =
        at::from_blob(const_cast<float *>(found->data), shape, at::TensorOptions(at::kFloat))
            .clone();
    if (!at::isfinite(copy).all().item<bool>())
        throw std::runtime_error("the weights' tensor " + name +
                                 " holds a value that is not finite");
    taken.push_back({name, copy.to(device)});
    return taken.back().value;
}

void weights::finish() const {
    if (taken.size() + foreign != safetensors_count(file.get()))
        throw std::runtime_error("the weights hold tensors that this architecture has no use for");
}
