/* The network once more, in loops that anyone can check, with switches that make it wrong: shows
 * that the bar of the parity test tells right from wrong. */
#ifndef FACEPAIR_TESTS_PARITY_PLAIN_NETWORK_H
#define FACEPAIR_TESTS_PARITY_PLAIN_NETWORK_H

#include "model/safetensors.h"

#include <vector>

struct mistakes {
    bool maximum_in_skip = false; /* max instead of average pooling in a down block */
    bool crop_to_smaller = false; /* cut the larger path instead of zero-padding the smaller */
    bool repeat_channels = false; /* fill the missing channels with the skip again, not zeros */
    bool relu_before_sum = false; /* as in some residual networks */
    bool padded_max_pool = false; /* 3×3/2 with a border, as in torchvision's ResNet */
    bool flipped_kernels = false; /* convolution in the mathematician's sense */
    bool blocks_swapped = false;  /* two blocks of one shape in the wrong order */
};

/* face (3,150,150) normalised -> (128). */
std::vector<float> plain_embedding(const struct safetensors *weights, const float *face,
                                   const mistakes &wrong);

#endif
