/* A traced or scripted module of the operator's own: images in, embeddings out.
 *
 * Such a file is a program, with the rights of this process. So a module is loaded only when the
 * operator has named its SHA-256 on the command line: whoever can write into the models' folder can
 * write a card with a matching hash beside any file, but not the command line.
 *
 * What is trusted lives in this file because the command line, too, is one per process.
 */
#include "model/network/network.h"
#include "model/network/torch/architecture.h"

#include <ATen/ATen.h>
#include <set>
#include <stdexcept>
#include <string>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

namespace {

std::set<std::string> trusted;

class torchscript : public architecture {
  public:
    torchscript(const char *path, c10::Device device) : module(torch::jit::load(path, device)) {
        module.eval();
    }

    at::Tensor embed(const at::Tensor &faces) override {
        at::Tensor out = module.forward({faces}).toTensor();
        TORCH_CHECK(out.is_floating_point(), "the module's answer is not of floating point");
        return out.to(at::kFloat);
    }

  private:
    torch::jit::Module module;
};

} // namespace

std::unique_ptr<architecture> torchscript_create(const struct card &card, const char *path,
                                                 c10::Device device) {
    if (!trusted.contains(card.weights_sha256))
        throw std::runtime_error(
            std::string("a TorchScript module is a program: --allow-torchscript "
                        "with its hash ") +
            card.weights_sha256 + " runs it");
    return std::make_unique<torchscript>(path, device);
}

extern "C" enum status network_trust_torchscript(const char *sha256, struct error *err) try {
    trusted.insert(sha256);
    return STATUS_OK;
} catch (...) {
    return error_set(err, STATUS_INTERNAL, "out of memory");
}
