/* A traced or scripted module of the operator's own: images in, embeddings out.
 *
 * Such a file is a program, with the rights of this process. So a module is loaded only when the
 * operator has named its SHA-256 on the command line: whoever can write into the models' folder can
 * write a card with a matching hash beside any file, but not the command line. For the same reason
 * the file is read once, and what is hashed is what is run: a file that was looked at may be
 * another when it is opened the next time.
 *
 * What is trusted lives in this file because the command line, too, is one per process.
 */
#include "model/digest.h"
#include "model/file.h"
#include "model/network/network.h"
#include "model/network/torch/architecture.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <caffe2/serialize/read_adapter_interface.h>
#include <cstdlib>
#include <cstring>
#include <set>
#include <stdexcept>
#include <string>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

namespace {

std::set<std::string> trusted;

/* The module's file, in memory. */
class file_bytes : public caffe2::serialize::ReadAdapterInterface {
  public:
    explicit file_bytes(const char *path) {
        struct error err;
        if (file_read(path, NETWORK_MODULE_BYTES_MAX, &bytes, &count, &err) != STATUS_OK)
            throw std::runtime_error(err.detail);
    }
    file_bytes(const file_bytes &) = delete;
    file_bytes &operator=(const file_bytes &) = delete;
    ~file_bytes() override { std::free(bytes); }

    size_t size() const override { return count; }

    size_t read(uint64_t at, void *to, size_t n, const char *) const override {
        size_t given = at < count ? std::min<size_t>(n, count - at) : 0;
        std::memcpy(to, bytes + at, given);
        return given;
    }

    std::string sha256() const {
        char text[DIGEST_TEXT_SIZE];
        digest_bytes(bytes, count, text);
        return text;
    }

  private:
    char *bytes = nullptr;
    size_t count = 0;
};

class torchscript : public architecture {
  public:
    torchscript(std::shared_ptr<file_bytes> file, c10::Device device)
        : module(torch::jit::load(std::move(file), device)) {
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
    auto file = std::make_shared<file_bytes>(path);
    if (file->sha256() != card.weights_sha256)
        throw std::runtime_error("its SHA-256 is not the one in model.json: the file was altered");
    return std::make_unique<torchscript>(std::move(file), device);
}

extern "C" enum status network_trust_torchscript(const char *sha256, struct error *err) try {
    trusted.insert(sha256);
    return STATUS_OK;
} catch (...) {
    return error_set(err, STATUS_INTERNAL, "out of memory");
}
