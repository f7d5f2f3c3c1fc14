/* A 3×3 convolution with its weights, by the faster of the methods for its shape. */
#ifndef FACEPAIR_MODEL_NETWORK_CPU_LAYER_H
#define FACEPAIR_MODEL_NETWORK_CPU_LAYER_H

#include "model/network/cpu/convolution.h"
#include "model/network/cpu/instructions.h"
#include "model/network/cpu/weights.h"
#include "model/network/cpu/winograd.h"

struct layer {
    bool transformed;
    struct convolution direct; /* one of the two is open */
    struct winograd winograd;
};

/* Takes NAME.weight (out, in, 3, 3) and NAME.bias (out). As convolution_open otherwise. */
enum status layer_open(struct layer *layer, struct weights *weights, const char *name,
                       const struct map *in, const struct map *out, size_t stride, size_t padding,
                       struct error *err);
void layer_close(struct layer *layer); /* of zeros: nothing to do */

size_t layer_scratch_floats(const struct layer *layer, size_t n); /* what a run works in */
/* n maps, `stride` floats apart in the memory of each, as convolution_run. */
void layer_run(const struct layer *layer, const float *in, float *out, size_t stride, size_t n,
               bool add, float *scratch);

#endif
