/* normalise_chips on an NVIDIA device; in libfacepair_cuda.so (-DFACEPAIR_CUDA=ON). */
#ifndef FACEPAIR_MODEL_NETWORK_CUDA_NORMALISE_H
#define FACEPAIR_MODEL_NETWORK_CUDA_NORMALISE_H

#include "server/status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* As model/network/normalise.h, but rgb and out are device memory of the current device, borrowed
 * until the stream has passed this point; mean and std are host memory. stream: a cudaStream_t,
 * NULL is the default one. Returns once the kernel is queued. STATUS_INTERNAL with CUDA's sentence.
 */
enum status normalise_chips_cuda(const uint8_t *rgb, uint32_t n, uint32_t side, const float mean[3],
                                 const float std[3], float *out, void *stream, struct error *err);

#ifdef __cplusplus
}
#endif
#endif
