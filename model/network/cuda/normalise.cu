/* One thread a pixel: it reads three neighbouring bytes and writes one float into each of the three
 * planes, so a warp's reads and each of its writes are contiguous. The kernel is bound by memory:
 * 3 bytes in, 12 out. __fdiv_rn and __fsub_rn keep nvcc from contracting or approximating, so that
 * the result is the CPU's to the last bit. */
#include "model/network/cuda/normalise.h"

#include <cstdio>
#include <cuda_runtime.h>

namespace {

constexpr unsigned THREADS = 256;

struct channels {
    float mean[3], std[3];
};

__global__ void normalise(const uint8_t *__restrict__ rgb, uint64_t faces, uint64_t pixels,
                          channels by, float *__restrict__ out) {
    uint64_t at = static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (at >= faces * pixels)
        return;
    uint64_t face = at / pixels, pixel = at % pixels;
    for (int c = 0; c < 3; c++)
        out[(face * 3 + c) * pixels + pixel] =
            __fdiv_rn(__fsub_rn(static_cast<float>(rgb[3 * at + c]), by.mean[c]), by.std[c]);
}

} // namespace

extern "C" enum status normalise_chips_cuda(const uint8_t *rgb, uint32_t n, uint32_t side,
                                            const float mean[3], const float std[3], float *out,
                                            void *stream, struct error *err) {
    uint64_t pixels = static_cast<uint64_t>(side) * side;
    uint64_t blocks = (n * pixels + THREADS - 1) / THREADS;
    channels by;
    for (int c = 0; c < 3; c++) {
        by.mean[c] = mean[c];
        by.std[c] = std[c];
    }
    cudaError_t fault = cudaSuccess;
    if (blocks > 0x7fffffffu)
        fault = cudaErrorInvalidValue;
    else if (blocks > 0)
        normalise<<<static_cast<unsigned>(blocks), THREADS, 0, static_cast<cudaStream_t>(stream)>>>(
            rgb, n, pixels, by, out);
    if (fault == cudaSuccess)
        fault = cudaGetLastError();
    if (fault != cudaSuccess) {
        if (err)
            std::snprintf(err->detail, sizeof(err->detail), "normalise on CUDA: %s",
                          cudaGetErrorString(fault));
        return STATUS_INTERNAL;
    }
    return STATUS_OK;
}
