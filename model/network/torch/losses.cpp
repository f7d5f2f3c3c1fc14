#include "model/network/torch/losses.h"
extern "C" {
#include "model/random.h"
}

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <cmath>
#include <numbers>
#include <stdexcept>

namespace {

constexpr double EPSILON_OF_DISTANCE = 1e-6;
constexpr double LENGTH_MIN = 1e-12;       /* below which a vector is not made one of length 1 */
constexpr double SINE_SQUARED_MIN = 1e-12; /* the root has no derivative at 0 */

at::Tensor distances(const at::Tensor &a, const at::Tensor &b) {
    return at::pairwise_distance(a, b, 2, EPSILON_OF_DISTANCE);
}

/* The hardest of row i's pairs, if any, behind those of the rows before it. d (n): its distances
 * from every row. */
void choose_hardest(chosen_pairs &pairs, int64_t i, const float *d, const uint32_t *identity,
                    int64_t n) {
    int64_t positive = -1, negative = -1;
    for (int64_t j = 0; j < n; j++) {
        if (!std::isfinite(d[j]))
            throw std::runtime_error("the loss is not finite");
        if (j == i)
            continue;
        if (identity[j] == identity[i])
            positive = positive < 0 || d[j] > d[positive] ? j : positive;
        else
            negative = negative < 0 || d[j] < d[negative] ? j : negative;
    }
    for (int64_t other : {positive, negative})
        if (other >= 0) {
            pairs.a.push_back(i);
            pairs.b.push_back(other);
            pairs.same.push_back(other == positive ? 1.0F : 0.0F);
        }
}

at::Tensor unit(const at::Tensor &x) {
    return x / at::linalg_vector_norm(x, 2, {1}, true).clamp_min(LENGTH_MIN);
}

/* cos(θ + margin) of cos θ; past π, what train.h says. */
at::Tensor add_angle(const at::Tensor &cosine, double margin) {
    at::Tensor sine = (1 - cosine.square()).clamp_min(SINE_SQUARED_MIN).sqrt();
    at::Tensor moved = cosine * std::cos(margin) - sine * std::sin(margin);
    double last = std::cos(std::numbers::pi - margin);
    return at::where(cosine > last, moved, cosine - margin * std::sin(margin));
}

} // namespace

at::Tensor contrastive_loss(const at::Tensor &a, const at::Tensor &b, const at::Tensor &same,
                            double margin) {
    at::Tensor distance = distances(a, b);
    at::Tensor missing = (margin - distance).clamp_min(0);
    return (same * distance.square() + (1 - same) * missing.square()).mean();
}

chosen_pairs mine_hardest(const at::Tensor &embeddings, const uint32_t *identity) {
    c10::NoGradGuard no_gradient;
    int64_t n = embeddings.size(0);
    chosen_pairs pairs;
    for (int64_t i = 0; i < n; i++) {
        at::Tensor d = distances(embeddings.narrow(0, i, 1), embeddings).to(at::kCPU);
        choose_hardest(pairs, i, d.const_data_ptr<float>(), identity, n);
    }
    if (pairs.a.empty())
        throw std::runtime_error("a batch of one row makes no pair");
    return pairs;
}

at::Tensor batch_hard_loss(const at::Tensor &embeddings, const uint32_t *identity, double margin) {
    chosen_pairs pairs = mine_hardest(embeddings, identity);
    auto rows = [&](const std::vector<int64_t> &places) {
        return embeddings.index_select(0, at::tensor(places).to(embeddings.device()));
    };
    return contrastive_loss(rows(pairs.a), rows(pairs.b),
                            at::tensor(pairs.same).to(embeddings.device()), margin);
}

at::Tensor draw_columns(uint64_t seed, int64_t identities, int64_t length) {
    struct random_generator generator = random_seeded(seed);
    double bound = std::sqrt(6.0 / static_cast<double>(identities + length));
    at::Tensor columns = at::empty({identities, length}, at::kFloat);
    float *values = columns.mutable_data_ptr<float>();
    for (int64_t i = 0; i < columns.numel(); i++) {
        double uniform = static_cast<double>(random_bits(&generator) >> 40) / (1 << 23) - 1;
        values[i] = static_cast<float>(bound * uniform);
    }
    return columns;
}

at::Tensor margin_softmax_loss(const at::Tensor &embeddings, const at::Tensor &columns,
                               const at::Tensor &identity,
                               const struct network_train_options &options) {
    at::Tensor cosine = unit(embeddings).matmul(unit(columns).t()); /* (n, identities) */
    at::Tensor place = identity.unsqueeze(1);                       /* (n, 1) */
    at::Tensor own = cosine.gather(1, place);
    at::Tensor less = options.loss == NETWORK_TRAIN_COSFACE ? own - options.margin
                                                            : add_angle(own, options.margin);
    return at::cross_entropy_loss(options.scale * cosine.scatter(1, place, less), identity);
}
