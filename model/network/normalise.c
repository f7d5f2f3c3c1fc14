#include "model/network/normalise.h"

#include <stddef.h>

enum { CHANNELS = 3, VALUES = 256 };

/* There are only 256 pixel values: a table by channel makes the division's cost vanish and leaves
 * its rounding. */
void normalise_chips(const uint8_t *rgb, uint32_t n, uint32_t side, const float mean[3],
                     const float std[3], float *out) {
    float table[CHANNELS][VALUES];
    size_t pixels = (size_t)side * side;
    for (int c = 0; c < CHANNELS; c++)
        for (int v = 0; v < VALUES; v++)
            table[c][v] = ((float)v - mean[c]) / std[c];
    for (uint32_t face = 0; face < n; face++) {
        const uint8_t *from = rgb + face * CHANNELS * pixels;
        float *to = out + face * CHANNELS * pixels;
        for (size_t i = 0; i < pixels; i++)
            for (int c = 0; c < CHANNELS; c++)
                to[(size_t)c * pixels + i] = table[c][from[CHANNELS * i + (size_t)c]];
    }
}
