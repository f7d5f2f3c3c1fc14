#include "model/network/torch/architecture.h"

#include <charconv>
#include <cstring>
#include <stdexcept>
#include <string>

namespace {

struct entry {
    const char *name;
    std::unique_ptr<chain> (*create)(const struct card &, weights &);
};
constexpr entry ARCHITECTURES[] = {
    {"dlib-resnet", dlib_resnet_create},
    {"vit", vit_create},
};

} // namespace

at::Tensor chain::run(const at::Tensor &input, size_t first, size_t end) {
    at::Tensor x = input;
    for (size_t index = first; index < end; index++)
        x = stage(index, x);
    return x;
}

size_t chain::stage_of(const std::string &tensor) const {
    constexpr std::string_view block = "blocks.";
    size_t index;
    if (tensor.starts_with(block) &&
        std::from_chars(tensor.data() + block.size(), tensor.data() + tensor.size(), index).ec ==
            std::errc())
        return index + 1;
    return tensor.starts_with(end_prefix()) ? stages() - 1 : 0;
}

std::unique_ptr<chain> architecture_create(const struct card &card, weights &weights) {
    for (const entry &entry : ARCHITECTURES)
        if (std::strcmp(entry.name, card.architecture) == 0) {
            std::unique_ptr<chain> created = entry.create(card, weights);
            weights.finish();
            return created;
        }
    throw std::runtime_error(std::string("unknown architecture ") + card.architecture);
}
