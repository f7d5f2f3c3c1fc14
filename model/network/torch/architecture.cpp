#include "model/network/torch/architecture.h"

#include <cstring>
#include <stdexcept>
#include <string>

namespace {

struct entry {
    const char *name;
    std::unique_ptr<architecture> (*create)(const struct card &, weights &);
};
constexpr entry ARCHITECTURES[] = {
    {"dlib-resnet", dlib_resnet_create},
    {"vit", vit_create},
};

} // namespace

std::unique_ptr<architecture> architecture_create(const struct card &card, weights &weights) {
    for (const entry &entry : ARCHITECTURES)
        if (std::strcmp(entry.name, card.architecture) == 0) {
            std::unique_ptr<architecture> created = entry.create(card, weights);
            weights.finish();
            return created;
        }
    throw std::runtime_error(std::string("unknown architecture ") + card.architecture);
}
