/* train.h's functions over libtorch. */
#include "model/network/train.h"
#include "model/network/torch/adam.h"
#include "model/network/torch/architecture.h"
#include "model/network/torch/guard.h"
#include "model/network/torch/runtime.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/pairwise_distance.h>
#include <algorithm>
#include <c10/core/InferenceMode.h>
#include <charconv>
#include <cmath>
#include <cstring>
#include <stdexcept>

struct network_train {
    std::unique_ptr<architecture> arch;
    std::vector<parameter> parameters; /* all, the very tensors that arch computes with */
    adam optimiser;
    c10::Device device;
    int64_t side;
    double margin;
};

namespace {

constexpr double MARGIN_MAX = 1000, EPSILON_OF_DISTANCE = 1e-6;

enum status check_learning_rate(double rate, struct error *err) {
    return rate > 0 && rate <= 1 ? STATUS_OK
                                 : error_set(err, STATUS_INVALID_FIELD,
                                             "learning_rate: must be above 0 and at most 1");
}

enum status check_options(const struct network_train_options &options, struct error *err) {
    if (options.last_blocks == 0)
        return error_set(err, STATUS_INVALID_FIELD, "last_blocks: must be above 0");
    if (!(options.margin > 0 && options.margin <= MARGIN_MAX))
        return error_set(err, STATUS_INVALID_FIELD, "margin: must be above 0 and at most %g",
                         MARGIN_MAX);
    for (double beta : {options.beta1, options.beta2})
        if (!(beta >= 0 && beta < 1))
            return error_set(err, STATUS_INVALID_FIELD,
                             "beta1, beta2: must be at least 0 and below 1");
    if (!(options.epsilon > 0 && options.epsilon <= 1))
        return error_set(err, STATUS_INVALID_FIELD, "epsilon: must be above 0 and at most 1");
    return check_learning_rate(options.learning_rate, err);
}

enum status check_batch(const struct network_train_batch &batch, struct error *err) {
    if (batch.n == 0 || batch.n > NETWORK_TRAIN_PAIRS_MAX)
        return error_set(err, STATUS_INTERNAL, "a batch of %u pairs: must be 1 to %d", batch.n,
                         NETWORK_TRAIN_PAIRS_MAX);
    for (uint32_t i = 0; i < batch.n; i++)
        if (batch.same[i] > 1)
            return error_set(err, STATUS_INTERNAL, "pair %u of a batch: same must be 0 or 1", i);
    return STATUS_OK;
}

/* N + 1 of a tensor "blocks.N.…": 0 for any other name. */
uint32_t block_number(const std::string &name) {
    constexpr std::string_view prefix = "blocks.";
    uint32_t index;
    if (!name.starts_with(prefix) ||
        std::from_chars(name.data() + prefix.size(), name.data() + name.size(), index).ec !=
            std::errc())
        return 0;
    return index + 1;
}

uint32_t count_blocks(const std::vector<parameter> &parameters) {
    uint32_t count = 0;
    for (const parameter &parameter : parameters)
        count = std::max(count, block_number(parameter.name));
    return count;
}

/* What is trained: from now on it requires a gradient. */
std::vector<at::Tensor> choose(const std::vector<parameter> &parameters, uint32_t last_blocks,
                               uint32_t blocks) {
    std::vector<at::Tensor> chosen;
    for (const parameter &parameter : parameters)
        if (last_blocks == NETWORK_TRAIN_EVERYTHING ||
            block_number(parameter.name) > blocks - last_blocks) {
            parameter.value.set_requires_grad(true);
            chosen.push_back(parameter.value);
        }
    return chosen;
}

/* The formula of train.h. a, b (n, embedding_length), same (n) of 0 and 1 -> a scalar. */
at::Tensor contrastive_loss(const at::Tensor &a, const at::Tensor &b, const at::Tensor &same,
                            double margin) {
    at::Tensor distance = at::pairwise_distance(a, b, 2, EPSILON_OF_DISTANCE);
    at::Tensor missing = (margin - distance).clamp_min(0);
    return (same * distance.square() + (1 - same) * missing.square()).mean();
}

at::Tensor loss_of(const struct network_train &train, const struct network_train_batch &batch) {
    auto embed = [&](const float *faces) {
        at::Tensor x =
            at::from_blob(const_cast<float *>(faces), {batch.n, 3, train.side, train.side},
                          at::TensorOptions(at::kFloat));
        return train.arch->embed(x.to(train.device));
    };
    at::Tensor same =
        at::from_blob(const_cast<uint8_t *>(batch.same), {batch.n}, at::TensorOptions(at::kByte));
    return contrastive_loss(embed(batch.a), embed(batch.b), same.to(train.device, at::kFloat),
                            train.margin);
}

double finite(const at::Tensor &loss) {
    double value = loss.item<double>();
    if (!std::isfinite(value))
        throw std::runtime_error("the loss is not finite");
    return value;
}

} // namespace

extern "C" enum status network_train_begin(const struct card *card, const char *weights_path,
                                           const struct network_train_options *options,
                                           struct network_train **train, struct error *err) {
    if (std::strcmp(card->architecture, "torchscript") == 0)
        return error_set(err, STATUS_INVALID_FIELD, "a torchscript module cannot be trained");
    enum status status = check_options(*options, err);
    if (status != STATUS_OK)
        return status;
    return guarded(weights_path, err, [&] {
        runtime_enter_thread();
        c10::Device device = runtime_device();
        weights loaded(weights_path, device, card->embedding.head ? 1 : 0);
        auto arch = architecture_create(*card, loaded);
        uint32_t blocks = count_blocks(loaded.parameters());
        if (options->last_blocks > blocks && options->last_blocks != NETWORK_TRAIN_EVERYTHING)
            return error_set(err, STATUS_INVALID_FIELD, "last_blocks: the network has %u", blocks);
        adam optimiser(choose(loaded.parameters(), options->last_blocks, blocks),
                       {.learning_rate = options->learning_rate,
                        .beta1 = options->beta1,
                        .beta2 = options->beta2,
                        .epsilon = options->epsilon});
        *train = new network_train{std::move(arch), loaded.parameters(), std::move(optimiser),
                                   device,          card->input.side,    options->margin};
        return STATUS_OK;
    });
}

extern "C" void network_train_end(struct network_train *train) { delete train; }

extern "C" enum status network_train_step(struct network_train *train,
                                          const struct network_train_batch *batch, double *loss,
                                          struct error *err) {
    enum status status = check_batch(*batch, err);
    if (status != STATUS_OK)
        return status;
    return guarded("training", err, [&] {
        runtime_enter_thread();
        at::Tensor before = loss_of(*train, *batch);
        double value = finite(before);
        train->optimiser.forget_gradients();
        before.backward();
        train->optimiser.step();
        *loss = value;
        return STATUS_OK;
    });
}

extern "C" enum status network_train_evaluate(struct network_train *train,
                                              const struct network_train_batch *batch, double *loss,
                                              struct error *err) {
    enum status status = check_batch(*batch, err);
    if (status != STATUS_OK)
        return status;
    return guarded("evaluation", err, [&] {
        c10::InferenceMode inference;
        runtime_enter_thread();
        *loss = finite(loss_of(*train, *batch));
        return STATUS_OK;
    });
}

extern "C" enum status network_train_set_learning_rate(struct network_train *train,
                                                       double learning_rate, struct error *err) {
    enum status status = check_learning_rate(learning_rate, err);
    if (status == STATUS_OK)
        train->optimiser.rates.learning_rate = learning_rate;
    return status;
}

extern "C" enum status network_train_save(const struct network_train *train, const char *path,
                                          struct error *err) {
    return guarded(path, err, [&] {
        std::vector<at::Tensor> values;
        std::vector<struct safetensors_tensor> tensors;
        for (const parameter &parameter : train->parameters) {
            values.push_back(parameter.value.detach().to(at::kCPU).contiguous());
            struct safetensors_tensor tensor = {.name = parameter.name.c_str(),
                                                .rank = static_cast<uint32_t>(values.back().dim()),
                                                .shape = {},
                                                .data = values.back().const_data_ptr<float>()};
            std::copy(values.back().sizes().begin(), values.back().sizes().end(), tensor.shape);
            tensors.push_back(tensor);
        }
        return safetensors_write(path, tensors.data(), tensors.size(), err);
    });
}
