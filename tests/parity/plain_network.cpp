#include "tests/parity/plain_network.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

namespace {

/* (channels, rows, columns) */
struct planes {
    long channels, rows, columns;
    std::vector<float> values;

    planes(long c, long r, long k) : channels(c), rows(r), columns(k), values(c * r * k) {}
    float &at(long c, long y, long x) { return values[(c * rows + y) * columns + x]; }
    float get(long c, long y, long x) const {
        bool inside = c < channels && y >= 0 && y < rows && x >= 0 && x < columns;
        return inside ? values[(c * rows + y) * columns + x] : 0;
    }
};

const struct safetensors_tensor &tensor(const struct safetensors *weights,
                                        const std::string &name) {
    auto *found = safetensors_find(weights, name.c_str());
    if (!found)
        throw std::runtime_error("no tensor " + name);
    return *found;
}

void relu(planes &x) {
    for (float &value : x.values)
        value = std::max(value, 0.0f);
}

planes convolve(const struct safetensors *weights, const std::string &name, const planes &x,
                long stride, long pad, bool flipped) {
    const auto &weight = tensor(weights, name + ".weight"), &bias = tensor(weights, name + ".bias");
    long out = weight.shape[0], k = weight.shape[2];
    planes y(out, (x.rows + 2 * pad - k) / stride + 1, (x.columns + 2 * pad - k) / stride + 1);
    for (long o = 0; o < out; o++)
        for (long r = 0; r < y.rows; r++)
            for (long s = 0; s < y.columns; s++) {
                double sum = bias.data[o];
                for (long c = 0; c < x.channels; c++)
                    for (long i = 0; i < k * k; i++) {
                        long tap = flipped ? k * k - 1 - i : i;
                        sum +=
                            static_cast<double>(weight.data[(o * x.channels + c) * k * k + tap]) *
                            x.get(c, r * stride - pad + i / k, s * stride - pad + i % k);
                    }
                y.at(o, r, s) = static_cast<float>(sum);
            }
    return y;
}

planes pool(const planes &x, long window, long stride, long pad, bool maximum) {
    planes y(x.channels, (x.rows + 2 * pad - window) / stride + 1,
             (x.columns + 2 * pad - window) / stride + 1);
    for (long c = 0; c < y.channels; c++)
        for (long r = 0; r < y.rows; r++)
            for (long s = 0; s < y.columns; s++) {
                float most = -std::numeric_limits<float>::infinity(), sum = 0;
                for (long i = 0; i < window * window; i++) {
                    float value =
                        x.get(c, r * stride - pad + i / window, s * stride - pad + i % window);
                    most = std::max(most, value); /* x is not negative: a border of 0 is neutral */
                    sum += value;
                }
                y.at(c, r, s) = maximum ? most : sum / static_cast<float>(window * window);
            }
    return y;
}

planes block(const struct safetensors *weights, const std::string &name, const planes &x,
             const mistakes &wrong) {
    long out = tensor(weights, name + ".conv1.bias").shape[0];
    bool down = out != x.channels || name == "blocks.13";
    planes inner =
        convolve(weights, name + ".conv1", x, down ? 2 : 1, down ? 0 : 1, wrong.flipped_kernels);
    relu(inner);
    inner = convolve(weights, name + ".conv2", inner, 1, 1, wrong.flipped_kernels);
    if (wrong.relu_before_sum)
        relu(inner);
    planes skip = down ? pool(x, 2, 2, 0, wrong.maximum_in_skip) : x;
    long rows =
        wrong.crop_to_smaller ? std::min(inner.rows, skip.rows) : std::max(inner.rows, skip.rows);
    planes sum(out, rows, rows);
    for (long c = 0; c < out; c++)
        for (long y = 0; y < rows; y++)
            for (long z = 0; z < rows; z++)
                sum.at(c, y, z) = inner.get(c, y, z) +
                                  skip.get(wrong.repeat_channels ? c % skip.channels : c, y, z);
    relu(sum);
    return sum;
}

} // namespace

std::vector<float> plain_embedding(const struct safetensors *weights, const float *face,
                                   const mistakes &wrong) {
    planes x(3, 150, 150);
    std::copy(face, face + x.values.size(), x.values.begin());
    x = convolve(weights, "stem", x, 2, 0, wrong.flipped_kernels);
    relu(x);
    x = pool(x, 3, 2, wrong.padded_max_pool ? 1 : 0, true);
    for (int i = 0; i < 14; i++) {
        int index = wrong.blocks_swapped && (i == 4 || i == 5) ? 9 - i : i;
        x = block(weights, "blocks." + std::to_string(index), x, wrong);
    }
    const auto &head = tensor(weights, "head.weight");
    std::vector<float> embedding;
    for (uint64_t o = 0; o < head.shape[0]; o++) {
        double sum = 0;
        for (long c = 0; c < x.channels; c++)
            for (long i = 0; i < x.rows * x.columns; i++)
                sum += static_cast<double>(head.data[o * x.channels + c]) *
                       x.values[c * x.rows * x.columns + i] / (x.rows * x.columns);
        embedding.push_back(static_cast<float>(sum));
    }
    return embedding;
}
