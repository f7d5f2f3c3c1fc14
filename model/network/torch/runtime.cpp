/* Process-wide state of libtorch: the device and the threads.
 *
 * One binary serves with and without a GPU: it is linked to libtorch_cpu alone, and libtorch_cuda,
 * which registers its kernels from its constructors, is opened by name when the device asks for it.
 * That must happen before the first other call into libtorch, because what it registers is looked
 * up once.
 *
 * The device and the thread count live in this file because libtorch itself is one per process:
 * this is the one exception to "no globals".
 */
#include "model/network/torch/runtime.h"
#include "model/network/engine.h"
#include "model/network/network.h"
extern "C" {
#include "server/cpus.h"
}

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <atomic>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <charconv>
#include <cstring>
#include <dlfcn.h>
#include <malloc.h>
#include <optional>
#include <stdexcept>

namespace {

std::optional<c10::Device> chosen_device;
int chosen_threads = 1;

/* "cuda:N" -> N; nothing for any other text. */
std::optional<c10::DeviceIndex> cuda_index(const char *device) {
    constexpr const char prefix[] = "cuda:";
    if (std::strncmp(device, prefix, sizeof(prefix) - 1) != 0)
        return std::nullopt;
    const char *digits = device + sizeof(prefix) - 1, *end = device + std::strlen(device);
    c10::DeviceIndex index;
    auto [rest, fault] = std::from_chars(digits, end, index);
    if (fault != std::errc() || rest != end || index < 0)
        return std::nullopt;
    return index;
}

enum status open_cuda(const char *device, c10::DeviceIndex index, struct error *err) {
    if (!dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL))
        return error_set(err, STATUS_INTERNAL, "device %s: %s", device, dlerror());
    if (!at::hasCUDA() || at::detail::getCUDAHooks().deviceCount() <= index)
        return error_set(err, STATUS_INTERNAL, "device %s: there is no such NVIDIA device", device);
    at::globalContext().setAllowTF32CuDNN(false);
    at::globalContext().setAllowTF32CuBLAS(false);
    chosen_device = c10::Device(c10::kCUDA, index);
    return STATUS_OK;
}

/* c10's own, but for what it frees. */
class overwriting_allocator final : public c10::Allocator {
    static void release(void *memory) {
        if (memory)
            explicit_bzero(memory, malloc_usable_size(memory));
        c10::free_cpu(memory);
    }

  public:
    c10::DataPtr allocate(size_t size) override {
        void *memory = c10::alloc_cpu(size);
        return {memory, memory, &release, c10::Device(c10::kCPU)};
    }
    c10::DeleterFnPtr raw_deleter() const override { return &release; }
    void copy_data(void *to, const void *from, size_t size) const override {
        default_copy_data(to, from, size);
    }
};

} // namespace

c10::Device runtime_device() {
    if (!chosen_device)
        throw std::logic_error("network_runtime_open was not called");
    return *chosen_device;
}

void runtime_enter_thread() { at::set_num_threads(chosen_threads); }

extern "C" bool network_runtime_on_cpu(void) { return chosen_device && chosen_device->is_cpu(); }

extern "C" unsigned network_runtime_threads(void) { return static_cast<unsigned>(chosen_threads); }

extern "C" void network_runtime_overwrite(void) {
    static overwriting_allocator allocator;
    c10::SetCPUAllocator(&allocator);
}

extern "C" enum status network_runtime_open(const char *device, unsigned threads,
                                            struct error *err) try {
    if (std::strcmp(device, "cpu") == 0) {
        chosen_device = c10::Device(c10::kCPU);
    } else if (auto index = cuda_index(device)) {
        enum status status = open_cuda(device, *index, err);
        if (status != STATUS_OK)
            return status;
    } else {
        return error_set(err, STATUS_INTERNAL, "device %s: not cpu or cuda:N", device);
    }
    chosen_threads = threads ? static_cast<int>(threads) : static_cast<int>(cpus_granted());
    at::set_num_interop_threads(1);
    runtime_enter_thread();
    return STATUS_OK;
} catch (const std::exception &cause) {
    return error_set(err, STATUS_INTERNAL, "device %s: %s", device, cause.what());
} catch (...) {
    return error_set(err, STATUS_INTERNAL, "device %s: unknown failure", device);
}
