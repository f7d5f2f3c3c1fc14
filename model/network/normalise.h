/* Pixels of aligned chips -> the network's input. */
#ifndef FACEPAIR_MODEL_NETWORK_NORMALISE_H
#define FACEPAIR_MODEL_NETWORK_NORMALISE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* rgb (n, side, side, 3) uint8, rows without padding -> out (n, 3, side, side) float32,
 * out = (pixel − mean[channel]) / std[channel], in float32 in this order of operations, as dlib and
 * torchvision do it. mean and std in pixel units (0…255), R, G, B; std is not 0. The CUDA twin is
 * in model/network/cuda/normalise.h and gives the same bits. */
void normalise_chips(const uint8_t *rgb, uint32_t n, uint32_t side, const float mean[3],
                     const float std[3], float *out);

#ifdef __cplusplus
}
#endif
#endif
