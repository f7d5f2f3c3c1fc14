/* dlib's face recognition network (dlib_face_recognition_resnet_model_v1), its frozen affine
 * layers folded into the convolutions.
 *
 *   (n,3,150,150) conv 7×7/2, relu          (n,32,72,72)
 *                 max-pool 3×3/2            (n,32,35,35)
 *                 3 kept blocks             (n,32,35,35)
 *                 down, 3 kept              (n,64,17,17)
 *                 down, 2 kept              (n,128,8,8)
 *                 down, 2 kept              (n,256,4,4)
 *                 down                      (n,256,2,2)
 *                 mean over everything      (n,256)
 *                 256→128, no bias          (n,128)
 *
 * A block is relu(conv2(relu(conv1(x))) + skip(x)). Convolutions of stride 1 pad 1, those of stride
 * 2 pad nothing. In a kept block skip(x) = x. In a down block conv1 has stride 2 and skip(x) is the
 * 2×2/2 average of x; it has half the channels of the sum (or as many), and where the two differ in
 * size dlib counts the smaller one's missing channels, rows and columns as zeros: 8×8 becomes 3×3
 * on the one path and 4×4 on the other, and the sum is 4×4.
 */
#include "model/network/torch/architecture.h"
#include "model/network/torch/convolution.h"

#include <ATen/ATen.h>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr int64_t SIDE = 150, EMBEDDING = 128, STEM_CHANNELS = 32, POOLED_SIDE = 35;

struct plan {
    int64_t channels;
    bool down;
};
constexpr plan BLOCKS[] = {{32, false}, {32, false},  {32, false},  {64, true},   {64, false},
                           {64, false}, {64, false},  {128, true},  {128, false}, {128, false},
                           {256, true}, {256, false}, {256, false}, {256, true}};

struct block {
    convolution conv1, conv2;
    int64_t channels;
    bool down;

    at::Tensor operator()(const at::Tensor &x) const {
        at::Tensor inner = conv1.relu(x);
        return down ? join(inner, at::avg_pool2d(x, 2, 2)) : conv2.add_relu(inner, x);
    }

  private:
    at::Tensor join(const at::Tensor &inner, const at::Tensor &skip) const {
        /* conv2 keeps inner's size, which is at most the skip's in rows and columns. */
        int64_t rows = skip.size(2), columns = skip.size(3);
        at::Tensor sum = at::constant_pad_nd(skip, {0, 0, 0, 0, 0, channels - skip.size(1)})
                             .contiguous(at::MemoryFormat::ChannelsLast);
        if (inner.size(2) == rows && inner.size(3) == columns)
            return conv2.add_relu(inner, sum);
        at::Tensor outer = at::constant_pad_nd(
            conv2(inner), {0, columns - inner.size(3), 0, rows - inner.size(2)});
        return sum.add_(outer).relu_();
    }
};

class dlib_resnet : public chain {
  public:
    explicit dlib_resnet(weights &weights) {
        stem = load(weights, "stem", {STEM_CHANNELS, 3, 7, 7}, 2, 0, SIDE);
        channels = {STEM_CHANNELS};
        sides = {POOLED_SIDE};
        for (const plan &plan : BLOCKS)
            add(weights, plan);
        head = weights.take("head.weight", {EMBEDDING, channels.back()});
    }

    size_t blocks() const override { return std::size(BLOCKS); }

    std::vector<int64_t> input_shape(size_t index) const override {
        if (index == 0)
            return {3, SIDE, SIDE};
        if (index > std::size(BLOCKS) + 1)
            return {EMBEDDING};
        return {channels[index - 1], sides[index - 1], sides[index - 1]};
    }

  private:
    at::Tensor stage(size_t index, const at::Tensor &given) override {
        at::Tensor x = given.contiguous(at::MemoryFormat::ChannelsLast);
        if (index == 0)
            return at::max_pool2d(stem.relu(x), 3, 2);
        if (index <= std::size(BLOCKS))
            return residual[index - 1](x);
        return at::linear(x.mean({2, 3}), head);
    }

    const char *end_prefix() const override { return "head."; }

    static convolution load(weights &weights, const std::string &name, std::vector<int64_t> shape,
                            int64_t stride, int64_t padding, int64_t side) {
        constexpr int64_t USUAL_BATCH = 2; /* a lone pair */
        return {weights.take(name + ".weight", shape),
                weights.take(name + ".bias", {shape[0]}),
                stride,
                padding,
                {USUAL_BATCH, shape[1], side, side}};
    }

    void add(weights &weights, const plan &plan) {
        std::string name = "blocks." + std::to_string(residual.size());
        int64_t in = channels.back(), side = sides.back(), out = plan.channels;
        int64_t inner = plan.down ? (side - 3) / 2 + 1 : side;
        residual.push_back({load(weights, name + ".conv1", {out, in, 3, 3}, plan.down ? 2 : 1,
                                 plan.down ? 0 : 1, side),
                            load(weights, name + ".conv2", {out, out, 3, 3}, 1, 1, inner), out,
                            plan.down});
        channels.push_back(out);
        sides.push_back(plan.down ? side / 2 : side);
    }

    convolution stem;
    std::vector<block> residual;
    std::vector<int64_t> channels, sides; /* before each block, and after the last */
    at::Tensor head;                      /* (128, 256) */
};

} // namespace

std::unique_ptr<chain> dlib_resnet_create(const struct card &card, weights &weights) {
    if (card.input.kind != CARD_INPUT_CHIP || card.input.side != SIDE ||
        card.embedding.network_length != EMBEDDING)
        throw std::runtime_error("dlib-resnet takes chips of side 150 and gives 128 numbers");
    return std::make_unique<dlib_resnet>(weights);
}
