/* A convolution with bias whose following steps (relu; add, relu) are part of it.
 *
 * On a CPU with oneDNN the weights are reordered once into the layout its kernels want, and the
 * steps run inside the kernel while the output is still in registers. libtorch has this for its
 * compiler's use, registered with the dispatcher as mkldnn::_convolution_pointwise; it has no C++
 * function in a header. On CUDA, and on a CPU for which libtorch has no oneDNN, it is plain
 * at::conv2d and what follows.
 */
#ifndef FACEPAIR_MODEL_NETWORK_TORCH_CONVOLUTION_H
#define FACEPAIR_MODEL_NETWORK_TORCH_CONVOLUTION_H

#include <ATen/core/Tensor.h>
#include <array>

class convolution {
  public:
    convolution() = default;
    /* weight (out, in, k, k), bias (out), contiguous on the device. input: (n, in, h, w) as
     * expected in use, for choosing the layout. Weights made outside inference mode may be trained:
     * they stay as they are, since the fused steps have no derivative. */
    convolution(at::Tensor weight, at::Tensor bias, int64_t stride, int64_t padding,
                at::IntArrayRef input);

    at::Tensor operator()(const at::Tensor &x) const;
    at::Tensor relu(const at::Tensor &x) const;
    /* relu(conv(x) + sum), where sum has conv(x)'s shape. */
    at::Tensor add_relu(const at::Tensor &x, const at::Tensor &sum) const;

  private:
    at::Tensor plain(const at::Tensor &x) const;
    at::Tensor fused(const at::Tensor &x, c10::string_view step) const;

    at::Tensor weight, bias;
    std::array<int64_t, 2> stride = {}, padding = {};
    bool packed = false;
};

#endif
