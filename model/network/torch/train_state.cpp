/* The file is one of float32 tensors like the weights:
 *
 *     value/NAME, m/NAME, v/NAME     of each tensor that is trained, and Adam's moments of it
 *     average/NAME                   its running mean, where one is kept
 *     progress (2, 4)                Adam's count of steps and the learning rate
 *     options (9, 4)                 the options that must be the same
 *     weights (64)                   the characters of the SHA-256 of the weights begun with
 *
 * An integer of 64 bits, or the bits of a double, are four numbers of 16 bits each, the lowest
 * first: a float holds them exactly. */
#include "model/network/torch/train_state.h"

#include <ATen/ATen.h>
#include <bit>
#include <c10/core/GradMode.h>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace {

constexpr int64_t PIECES = 4, PIECE_BITS = 16, DIGEST = 64;
constexpr const char *OPTION_NAMES[] = {"loss",  "margin", "scale",   "identities", "seed",
                                        "beta1", "beta2",  "epsilon", "average",    "blend"};
constexpr int64_t OPTIONS = std::size(OPTION_NAMES);

std::vector<uint64_t> options_of(const struct network_train &train) {
    const struct network_train_options &given = train.options;
    auto bits = [](double value) { return std::bit_cast<uint64_t>(value); };
    bool softmax = train.columns.defined(); /* else its options mean nothing */
    return {static_cast<uint64_t>(given.loss),
            bits(given.margin),
            softmax ? bits(given.scale) : 0,
            softmax ? given.identities : 0,
            softmax ? given.seed : 0,
            bits(given.beta1),
            bits(given.beta2),
            bits(given.epsilon),
            bits(given.average),
            bits(given.blend)};
}

std::vector<uint64_t> progress_of(const struct network_train &train) {
    return {train.optimiser.steps, std::bit_cast<uint64_t>(train.optimiser.rates.learning_rate)};
}

at::Tensor packed(const std::vector<uint64_t> &numbers) {
    std::vector<float> pieces;
    for (uint64_t number : numbers)
        for (int64_t i = 0; i < PIECES; i++)
            pieces.push_back(static_cast<float>(number >> (PIECE_BITS * i) & 0xffff));
    return at::tensor(pieces).reshape({static_cast<int64_t>(numbers.size()), PIECES});
}

std::vector<uint64_t> unpacked(const at::Tensor &tensor) {
    at::Tensor on_host = tensor.to(at::kCPU);
    std::vector<uint64_t> numbers(static_cast<size_t>(tensor.size(0)));
    for (int64_t i = 0; i < tensor.numel(); i++) {
        float piece = on_host.const_data_ptr<float>()[i];
        if (!(piece >= 0 && piece < 1 << PIECE_BITS && piece == std::trunc(piece)))
            throw std::runtime_error("a number of the state is damaged");
        numbers[i / PIECES] |= static_cast<uint64_t>(piece) << (PIECE_BITS * (i % PIECES));
    }
    return numbers;
}

at::Tensor characters(const std::string &text) {
    std::vector<float> values(text.begin(), text.end());
    values.resize(DIGEST);
    return at::tensor(values);
}

void check_origin(const struct network_train &train, weights &file) {
    if (!at::equal(file.take("weights", {DIGEST}).to(at::kCPU), characters(train.weights_sha256)))
        throw std::runtime_error("the state is of a training of other weights");
    std::vector<uint64_t> theirs = unpacked(file.take("options", {OPTIONS, PIECES}));
    std::vector<uint64_t> ours = options_of(train);
    for (size_t i = 0; i < ours.size(); i++)
        if (theirs[i] != ours[i])
            throw std::runtime_error(std::string("the state is of a training with another ") +
                                     OPTION_NAMES[i]);
}

/* Throws unless this is a count of steps and a learning rate. */
void check_progress(const std::vector<uint64_t> &progress) {
    double rate = std::bit_cast<double>(progress[1]);
    if (!(rate > 0 && rate <= 1))
        throw std::runtime_error("the state's learning rate is damaged");
}

} // namespace

enum status train_state_save(const struct network_train &train, const char *path,
                             struct error *err) {
    std::vector<parameter> file = {{"weights", characters(train.weights_sha256)},
                                   {"options", packed(options_of(train))},
                                   {"progress", packed(progress_of(train))}};
    for (size_t i = 0; i < train.trained.size(); i++) {
        const std::string &name = train.trained[i].name;
        const adam_moments &of = train.optimiser.moments[i];
        file.push_back({"value/" + name, of.parameter});
        file.push_back({"m/" + name, of.m});
        file.push_back({"v/" + name, of.v});
        if (of.average.defined())
            file.push_back({"average/" + name, of.average});
    }
    return parameters_write(path, file, err);
}

void train_state_load(struct network_train &train, const char *path) {
    weights file(path, train.device, 0);
    check_origin(train, file);
    std::vector<uint64_t> progress = unpacked(file.take("progress", {2, PIECES}));
    check_progress(progress);
    std::vector<adam_moments> read;
    for (const parameter &parameter : train.trained) {
        at::IntArrayRef shape = parameter.value.sizes();
        read.push_back({file.take("value/" + parameter.name, shape),
                        file.take("m/" + parameter.name, shape),
                        file.take("v/" + parameter.name, shape),
                        train.options.average > 0 ? file.take("average/" + parameter.name, shape)
                                                  : at::Tensor()});
        if (at::lt(read.back().v, 0).any().item<bool>()) /* its root is taken */
            throw std::runtime_error("the tensor v/" + parameter.name + " holds a value below 0");
    }
    file.finish();
    c10::NoGradGuard no_gradient;
    for (size_t i = 0; i < read.size(); i++) {
        train.optimiser.moments[i].parameter.copy_(read[i].parameter);
        train.optimiser.moments[i].m.copy_(read[i].m);
        train.optimiser.moments[i].v.copy_(read[i].v);
        if (read[i].average.defined())
            train.optimiser.moments[i].average.copy_(read[i].average);
    }
    train.optimiser.steps = progress[0];
    train.optimiser.rates.learning_rate = std::bit_cast<double>(progress[1]);
}
