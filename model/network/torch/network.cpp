/* network.h's functions over libtorch. Everything that can throw is inside the one catch-all of its
 * function.
 */
#include "model/network/engine.h"
#include "model/network/torch/architecture.h"
#include "model/network/torch/runtime.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <cstring>
#include <stdexcept>

namespace {

struct entry {
    const char *name;
    std::unique_ptr<architecture> (*create)(const struct card &, weights &, c10::Device);
};
constexpr entry ARCHITECTURES[] = {
    {"dlib-resnet", dlib_resnet_create},
    {"vit", vit_create},
};

std::unique_ptr<architecture> create(const struct card &card, const char *path,
                                     c10::Device device) {
    if (std::strcmp(card.architecture, "torchscript") == 0)
        return torchscript_create(card, path, device);
    for (const entry &entry : ARCHITECTURES)
        if (std::strcmp(entry.name, card.architecture) == 0) {
            weights loaded(path, card.embedding.head ? 1 : 0);
            return entry.create(card, loaded, device);
        }
    throw std::runtime_error(std::string("unknown architecture ") + card.architecture);
}

struct torch_network {
    std::unique_ptr<architecture> arch;
    c10::Device device;
    int64_t side, length; /* of an input, of what the network gives */
};

bool takes(const struct card *) noexcept { return true; }

/* The weights twice, while the file's are copied, and what a batch goes through. */
uint64_t memory_bytes(const struct card *, uint64_t weights_bytes) noexcept {
    constexpr uint64_t MAPS_BYTES = uint64_t{64} << 20;
    return 2 * weights_bytes + MAPS_BYTES;
}

enum status open_network(const struct card *card, const char *weights_path, void **state,
                         struct error *err) noexcept try {
    c10::InferenceMode guard;
    runtime_enter_thread();
    c10::Device device = runtime_device();
    *state = new torch_network{create(*card, weights_path, device), device, card->input.side,
                               card->embedding.network_length};
    return STATUS_OK;
} catch (const c10::Error &cause) {
    return error_set(err, STATUS_INTERNAL, "%.100s: %s", weights_path,
                     cause.what_without_backtrace());
} catch (const std::exception &cause) {
    return error_set(err, STATUS_INTERNAL, "%.100s: %s", weights_path, cause.what());
} catch (...) {
    return error_set(err, STATUS_INTERNAL, "%.100s: unknown failure", weights_path);
}

void close_network(void *state) noexcept { delete static_cast<torch_network *>(state); }

enum status embed(void *state, const float *faces, uint32_t n, float *out,
                  struct error *err) noexcept try {
    auto *network = static_cast<torch_network *>(state);
    c10::InferenceMode guard;
    runtime_enter_thread();
    at::Tensor x = at::from_blob(const_cast<float *>(faces), {n, 3, network->side, network->side},
                                 at::TensorOptions(at::kFloat));
    at::Tensor y = network->arch->embed(x.to(network->device)).to(at::kCPU).contiguous();
    TORCH_CHECK(y.dim() == 2 && y.size(0) == n && y.size(1) == network->length,
                "an embedding of unexpected size");
    std::memcpy(out, y.const_data_ptr<float>(), y.nbytes());
    return STATUS_OK;
} catch (const c10::Error &cause) {
    return error_set(err, STATUS_INTERNAL, "network: %s", cause.what_without_backtrace());
} catch (const std::exception &cause) {
    return error_set(err, STATUS_INTERNAL, "network: %s", cause.what());
} catch (...) {
    return error_set(err, STATUS_INTERNAL, "network: unknown failure");
}

} // namespace

extern "C" const struct network_engine network_engine_torch = {
    "torch", takes, memory_bytes, open_network, close_network, embed};
