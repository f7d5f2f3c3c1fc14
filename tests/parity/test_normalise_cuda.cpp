/* The CUDA kernel gives the bits of normalise_chips. */
#include "model/network/cuda/normalise.h"
#include "model/network/normalise.h"

#include <csetjmp>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <cuda_runtime.h>
#include <vector>
extern "C" {
#include <cmocka.h>
}

namespace {

constexpr int SKIPPED = 77;
constexpr float MEAN[3] = {122.782f, 117.001f, 104.298f}, STD[3] = {256, 57.375f, 58.395f};

/* Device memory for the length of a test. */
template <typename type> struct device_array {
    type *data = nullptr;
    size_t bytes;

    explicit device_array(size_t count) : bytes(count * sizeof(type)) {
        assert_int_equal(cudaMalloc(&data, bytes), cudaSuccess);
        assert_int_equal(cudaMemset(data, 0xff, bytes),
                         cudaSuccess); /* NaN, where nothing is written */
    }
    ~device_array() { cudaFree(data); }
};

std::vector<uint8_t> pixels(size_t count) {
    std::vector<uint8_t> out(count);
    uint32_t state = 1;
    for (uint8_t &value : out)
        value = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
    return out;
}

void compare(uint32_t n, uint32_t side) {
    std::vector<uint8_t> rgb = pixels(size_t{3} * n * side * side);
    std::vector<float> wanted(rgb.size()), out(rgb.size());
    normalise_chips(rgb.data(), n, side, MEAN, STD, wanted.data());
    device_array<uint8_t> source(rgb.size());
    device_array<float> target(out.size());
    struct error err = {};
    cudaMemcpy(source.data, rgb.data(), source.bytes, cudaMemcpyHostToDevice);
    if (normalise_chips_cuda(source.data, n, side, MEAN, STD, target.data, nullptr, &err) !=
        STATUS_OK)
        fail_msg("%s", err.detail);
    assert_int_equal(cudaMemcpy(out.data(), target.data, target.bytes, cudaMemcpyDeviceToHost),
                     cudaSuccess);
    assert_memory_equal(out.data(), wanted.data(), target.bytes);
}

void every_bit_is_the_cpus(void **) {
    compare(1, 1);
    compare(1, 150);
    compare(32, 150);
    compare(3, 257);
}

void no_faces_are_no_error(void **) {
    struct error err = {};
    assert_int_equal(normalise_chips_cuda(nullptr, 0, 150, MEAN, STD, nullptr, nullptr, &err),
                     STATUS_OK);
}

} // namespace

int main() {
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
        std::puts("skipped: there is no NVIDIA device");
        return SKIPPED;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_bit_is_the_cpus),
                                       cmocka_unit_test(no_faces_are_no_error)};
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
