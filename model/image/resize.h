/* timm's evaluation transform, up to the normalisation: the whole photograph made small and of that
 * the middle. */
#ifndef FACEPAIR_MODEL_IMAGE_RESIZE_H
#define FACEPAIR_MODEL_IMAGE_RESIZE_H

#include "model/image/image.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RESIZE_SIDE_MAX = 16384 };

/* Resizes the image's pixels so that its short side is short_side (the long one in proportion,
 * rounded down) by bicubic interpolation with antialiasing, and cuts the centred square of `side`
 * out of it: rgb (side, side, 3). 1 ≤ side ≤ short_side ≤ RESIZE_SIDE_MAX. Gives the same bytes as
 * Pillow's resize and torchvision's CenterCrop. STATUS_INTERNAL: out of memory. */
enum status image_resize_crop(const struct image *image, uint32_t short_side, uint32_t side,
                              uint8_t *rgb, struct error *err);

#ifdef __cplusplus
}
#endif
#endif
