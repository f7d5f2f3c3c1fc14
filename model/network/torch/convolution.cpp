#include "model/network/torch/convolution.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

namespace {

constexpr std::array<int64_t, 2> NO_DILATION = {1, 1};

using scalars = c10::List<std::optional<c10::Scalar>>;

const auto &reorder_weight() {
    static const auto op =
        c10::Dispatcher::singleton()
            .findSchemaOrThrow("mkldnn::_reorder_convolution_weight", "")
            .typed<at::Tensor(const at::Tensor &, at::IntArrayRef, at::IntArrayRef, at::IntArrayRef,
                              int64_t, at::OptionalIntArrayRef)>();
    return op;
}

const auto &pointwise() {
    static const auto op =
        c10::Dispatcher::singleton()
            .findSchemaOrThrow("mkldnn::_convolution_pointwise", "")
            .typed<at::Tensor(const at::Tensor &, const at::Tensor &,
                              const std::optional<at::Tensor> &, at::IntArrayRef, at::IntArrayRef,
                              at::IntArrayRef, int64_t, c10::string_view, scalars,
                              std::optional<c10::string_view>)>();
    return op;
}

const auto &pointwise_binary() {
    static const auto op =
        c10::Dispatcher::singleton()
            .findSchemaOrThrow("mkldnn::_convolution_pointwise", "binary")
            .typed<at::Tensor(const at::Tensor &, const at::Tensor &, const at::Tensor &,
                              const std::optional<at::Tensor> &, at::IntArrayRef, at::IntArrayRef,
                              at::IntArrayRef, int64_t, c10::string_view,
                              std::optional<c10::Scalar>, std::optional<c10::string_view>, scalars,
                              std::optional<c10::string_view>)>();
    return op;
}

} // namespace

convolution::convolution(at::Tensor given_weight, at::Tensor given_bias, int64_t stride_both,
                         int64_t padding_both, at::IntArrayRef input)
    : weight(std::move(given_weight)),
      bias(std::move(given_bias)), stride{stride_both, stride_both}, padding{padding_both,
                                                                             padding_both},
      packed(weight.is_inference() && weight.is_cpu() && at::globalContext().hasMKLDNN()) {
    if (packed) {
        weight = reorder_weight().call(weight.contiguous(at::MemoryFormat::ChannelsLast), padding,
                                       stride, NO_DILATION, 1, input);
    } else if (weight.is_inference()) {
        weight = weight.contiguous(at::MemoryFormat::ChannelsLast);
    }
}

at::Tensor convolution::plain(const at::Tensor &x) const {
    return at::conv2d(x, weight, bias, stride, padding);
}

at::Tensor convolution::fused(const at::Tensor &x, c10::string_view step) const {
    return pointwise().call(x, weight, bias, padding, stride, NO_DILATION, 1, step, scalars(),
                            std::nullopt);
}

at::Tensor convolution::operator()(const at::Tensor &x) const {
    return packed ? fused(x, "none") : plain(x);
}

at::Tensor convolution::relu(const at::Tensor &x) const {
    return packed ? fused(x, "relu") : plain(x).relu_();
}

at::Tensor convolution::add_relu(const at::Tensor &x, const at::Tensor &sum) const {
    if (!packed)
        return plain(x).add_(sum).relu_();
    return pointwise_binary().call(x, sum, weight, bias, padding, stride, NO_DILATION, 1, "add",
                                   std::nullopt, "relu", scalars(), std::nullopt);
}
