/* Other pictures of a face, for training alone: a little turned, larger or smaller, mirrored, in
 * other light. View 0 is the picture itself. */
#ifndef FACEPAIR_MODEL_FINETUNE_AUGMENT_H
#define FACEPAIR_MODEL_FINETUNE_AUGMENT_H

#include "model/finetune/spec.h"

/* input, out (3, side, side) float32, normalised as card_input says; out is another memory. What is
 * drawn depends on seed, image and view alone. A point beyond the edge has the edge's colour. */
void augment_view(const struct finetune_augment *augment, const struct card_input *input,
                  uint64_t seed, uint32_t image, uint32_t view, const float *face, float *out);

#endif
