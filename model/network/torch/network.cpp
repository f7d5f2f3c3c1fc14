/* network.h's functions over libtorch. */
#include "model/network/engine.h"
#include "model/network/torch/architecture.h"
#include "model/network/torch/guard.h"
#include "model/network/torch/runtime.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <cstring>

namespace {

std::unique_ptr<architecture> create(const struct card &card, const char *path,
                                     c10::Device device) {
    if (std::strcmp(card.architecture, "torchscript") == 0)
        return torchscript_create(card, path, device);
    weights loaded(path, device, card.embedding.head ? 1 : 0);
    return architecture_create(card, loaded);
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
                         struct error *err) noexcept {
    return guarded(weights_path, err, [&] {
        c10::InferenceMode inference;
        runtime_enter_thread();
        c10::Device device = runtime_device();
        // NOLINTNEXTLINE(bugprone-unhandled-exception-at-new): guarded() catches what it throws.
        *state = new torch_network{create(*card, weights_path, device), device, card->input.side,
                                   card->embedding.network_length};
        return STATUS_OK;
    });
}

void close_network(void *state) noexcept { delete static_cast<torch_network *>(state); }

enum status embed(void *state, const float *faces, uint32_t n, float *out,
                  struct error *err) noexcept {
    return guarded("network", err, [&] {
        auto *network = static_cast<torch_network *>(state);
        c10::InferenceMode inference;
        runtime_enter_thread();
        at::Tensor x =
            at::from_blob(const_cast<float *>(faces), {n, 3, network->side, network->side},
                          at::TensorOptions(at::kFloat));
        at::Tensor y = network->arch->embed(x.to(network->device)).to(at::kCPU).contiguous();
        TORCH_CHECK(y.dim() == 2 && y.size(0) == n && y.size(1) == network->length,
                    "an embedding of unexpected size");
        std::memcpy(out, y.const_data_ptr<float>(), y.nbytes());
        return STATUS_OK;
    });
}

} // namespace

extern "C" const struct network_engine network_engine_torch = {
    "torch", takes, memory_bytes, open_network, close_network, embed};
