/* Vision transformers of timm's family; what varies is in the card (card_vit.h).
 *
 *   (n,3,s,s)  patches: convolution p×p/p     (n, (s/p)², w)
 *              + position embedding; class token and registers are put in front, before the sum
 *                or after it (position_on_prefix)
 *              depth blocks                   (n, t, w)
 *                x += ls1 · project(attention(norm1(x)))
 *                x += ls2 · fc2(gelu(fc1(norm2(x))))
 *              norm, pool; or pool, norm      (n, w)
 *
 * attention is softmax(q·kᵀ/√d)·v in each head of d = w/heads numbers, where q, k and v are three
 * consecutive thirds of one product, and each third is its heads one after the other (Dosovitskiy
 * et al., 2021; registers: Darcet et al., 2024; LayerScale: Touvron et al., 2021). The mean is
 * taken over the patches alone: neither class token nor registers are part of it. Tensor names are
 * timm's.
 */
#include "model/network/torch/architecture.h"

#include <ATen/ATen.h>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr double EPSILON = 1e-6; /* timm's, of every LayerNorm; not libtorch's default */

/* Takes tensors below a prefix. */
struct source {
    weights &file;
    std::string prefix;

    at::Tensor take(const char *name, at::IntArrayRef shape) const {
        return file.take(prefix + name, shape);
    }
    source below(const std::string &name) const { return {file, prefix + name + "."}; }
};

struct linear {
    at::Tensor weight, bias; /* (out, in), (out) or undefined */

    linear(const source &from, int64_t out, int64_t in, bool biased)
        : weight(from.take("weight", {out, in})) {
        if (biased)
            bias = from.take("bias", {out});
    }
    at::Tensor operator()(const at::Tensor &x) const { return at::linear(x, weight, bias); }
};

struct layer_norm {
    at::Tensor weight, bias; /* (width) */

    layer_norm(const source &from, int64_t width)
        : weight(from.take("weight", {width})), bias(from.take("bias", {width})) {}
    at::Tensor operator()(const at::Tensor &x) const {
        return at::layer_norm(x, weight.sizes(), weight, bias, EPSILON);
    }
};

struct attention {
    linear qkv, project;
    int64_t heads;

    attention(const source &from, const struct card_vit &vit)
        : qkv(from.below("qkv"), 3 * int64_t{vit.width}, vit.width, vit.qkv_bias),
          project(from.below("proj"), vit.width, vit.width, true), heads(vit.heads) {}

    at::Tensor operator()(const at::Tensor &x) const {
        int64_t n = x.size(0), tokens = x.size(1), width = x.size(2);
        /* (3, n, heads, tokens, d) */
        at::Tensor split =
            qkv(x).reshape({n, tokens, 3, heads, width / heads}).permute({2, 0, 3, 1, 4});
        at::Tensor mixed = at::scaled_dot_product_attention(split[0], split[1], split[2]);
        return project(mixed.transpose(1, 2).reshape({n, tokens, width}));
    }
};

struct block {
    layer_norm norm1, norm2;
    attention attend;
    linear fc1, fc2;
    at::Tensor scale1, scale2; /* (width) or undefined */

    block(const source &from, const struct card_vit &vit)
        : norm1(from.below("norm1"), vit.width), norm2(from.below("norm2"), vit.width),
          attend(from.below("attn"), vit), fc1(from.below("mlp.fc1"), vit.hidden, vit.width, true),
          fc2(from.below("mlp.fc2"), vit.width, vit.hidden, true) {
        if (vit.layer_scale) {
            scale1 = from.take("ls1.gamma", {vit.width});
            scale2 = from.take("ls2.gamma", {vit.width});
        }
    }

    at::Tensor operator()(const at::Tensor &x) const {
        at::Tensor y = x + scaled(attend(norm1(x)), scale1);
        return y + scaled(fc2(at::gelu(fc1(norm2(y)))), scale2);
    }

  private:
    static at::Tensor scaled(const at::Tensor &x, const at::Tensor &scale) {
        return scale.defined() ? x * scale : x;
    }
};

class vision_transformer : public chain {
  public:
    vision_transformer(const struct card_vit &shape, int64_t input_side, const source &from)
        : vit(shape), side(input_side),
          patch_weight(from.take("patch_embed.proj.weight", {vit.width, 3, vit.patch, vit.patch})),
          patch_bias(from.take("patch_embed.proj.bias", {vit.width})),
          norm(from.below(vit.norm_after_pool ? "fc_norm" : "norm"), vit.width) {
        int64_t row = side / vit.patch, width = vit.width, prefix = card_vit_prefix(&vit);
        position =
            from.take("pos_embed", {1, row * row + (vit.position_on_prefix ? prefix : 0), width});
        if (vit.class_token)
            front.push_back(from.take("cls_token", {1, 1, width}));
        if (vit.registers)
            front.push_back(from.take("reg_token", {1, vit.registers, width}));
        for (uint32_t i = 0; i < vit.depth; i++)
            layers.emplace_back(from.below("blocks." + std::to_string(i)), vit);
    }

    size_t blocks() const override { return layers.size(); }

    std::vector<int64_t> input_shape(size_t index) const override {
        if (index == 0)
            return {3, side, side};
        if (index > layers.size() + 1)
            return {vit.width};
        int64_t row = side / vit.patch;
        return {row * row + card_vit_prefix(&vit), vit.width};
    }

  private:
    at::Tensor stage(size_t index, const at::Tensor &x) override {
        if (index == 0)
            return tokens(x);
        if (index <= layers.size())
            return layers[index - 1](x);
        return vit.norm_after_pool ? norm(pool(x)) : pool(norm(x));
    }

    const char *end_prefix() const override { return vit.norm_after_pool ? "fc_norm." : "norm."; }

    at::Tensor tokens(const at::Tensor &faces) const {
        at::Tensor x = at::conv2d(faces, patch_weight, patch_bias, vit.patch).flatten(2);
        x = x.transpose(1, 2);
        if (!vit.position_on_prefix)
            x = x + position;
        std::vector<at::Tensor> all;
        for (const at::Tensor &token : front)
            all.push_back(token.expand({x.size(0), -1, -1}));
        all.push_back(x);
        x = at::cat(all, 1);
        return vit.position_on_prefix ? x + position : x;
    }

    at::Tensor pool(const at::Tensor &x) const {
        if (vit.pool_class_token)
            return x.select(1, 0);
        return x.slice(1, card_vit_prefix(&vit)).mean(1);
    }

    struct card_vit vit;
    int64_t side; /* of the input */
    at::Tensor patch_weight, patch_bias, position;
    std::vector<at::Tensor> front; /* class token and registers, (1, …, width) each */
    std::vector<block> layers;
    layer_norm norm;
};

} // namespace

std::unique_ptr<chain> vit_create(const struct card &card, weights &weights) {
    return std::make_unique<vision_transformer>(card.vit, card.input.side, source{weights, ""});
}
