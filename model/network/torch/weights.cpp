#include "model/network/torch/weights.h"

#include <ATen/ATen.h>
#include <algorithm>
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
        throw std::runtime_error("there is no tensor " + name);
    bool same = found->rank == shape.size();
    for (size_t i = 0; same && i < shape.size(); i++)
        same = found->shape[i] == static_cast<uint64_t>(shape[i]);
    if (!same)
        throw std::runtime_error("the tensor " + name + " has another shape");
    at::Tensor copy =
        at::from_blob(const_cast<float *>(found->data), shape, at::TensorOptions(at::kFloat))
            .clone();
    if (!at::isfinite(copy).all().item<bool>())
        throw std::runtime_error("the tensor " + name + " holds a value that is not finite");
    taken.push_back({name, copy.to(device)});
    return taken.back().value;
}

void weights::finish() const {
    if (taken.size() + foreign != safetensors_count(file.get()))
        throw std::runtime_error("it holds tensors that there is no use for");
}

enum status parameters_write(const char *path, const std::vector<parameter> &parameters,
                             struct error *err) {
    std::vector<at::Tensor> values;
    std::vector<struct safetensors_tensor> tensors;
    for (const parameter &parameter : parameters) {
        values.push_back(parameter.value.detach().to(at::kCPU).contiguous());
        struct safetensors_tensor tensor = {.name = parameter.name.c_str(),
                                            .rank = static_cast<uint32_t>(values.back().dim()),
                                            .shape = {},
                                            .data = values.back().const_data_ptr<float>()};
        std::copy(values.back().sizes().begin(), values.back().sizes().end(), tensor.shape);
        tensors.push_back(tensor);
    }
    return safetensors_write(path, tensors.data(), tensors.size(), err);
}
