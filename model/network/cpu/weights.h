/* Tensors of a weights file, each checked before it is used. */
#ifndef FACEPAIR_MODEL_NETWORK_CPU_WEIGHTS_H
#define FACEPAIR_MODEL_NETWORK_CPU_WEIGHTS_H

#include "model/safetensors.h"

struct weights {
    struct safetensors *file;
    size_t taken;
};

/* The tensor `name` of this shape (rank numbers), borrowed from the file. STATUS_INTERNAL when it
 * is missing, of another shape, or holds a value that is not finite: one such weight would make
 * every distance NaN, and NaN < threshold is a decision. */
enum status weights_take(struct weights *weights, const char *name, const size_t *shape,
                         size_t rank, const float **data, struct error *err);
/* After the last: STATUS_INTERNAL when the file holds tensors that nobody took. */
enum status weights_finish(const struct weights *weights, struct error *err);

#endif
