#include "model/network/cpu/layer.h"

#include <stdio.h>

enum { TENSOR_NAME_MAX = 64 };

/* On maps of one tile or less the transformed weights, four times as many, are used once: reading
 * them takes what is saved. */
static bool worth_transforming(const struct map *in, size_t stride) {
    return stride == 1 && in->side > MAP_TILE;
}

enum status layer_open(struct layer *layer, struct weights *weights, const char *name,
                       const struct map *in, const struct map *out, size_t stride, size_t padding,
                       struct error *err) {
    const float *weight, *bias;
    const size_t shape[] = {out->channels, in->channels, 3, 3};
    char tensor[TENSOR_NAME_MAX];
    snprintf(tensor, sizeof tensor, "%s.weight", name);
    enum status status = weights_take(weights, tensor, shape, 4, &weight, err);
    if (status != STATUS_OK)
        return status;
    snprintf(tensor, sizeof tensor, "%s.bias", name);
    status = weights_take(weights, tensor, shape, 1, &bias, err);
    if (status != STATUS_OK)
        return status;
    layer->transformed = worth_transforming(in, stride);
    bool opened = layer->transformed
                      ? winograd_open(&layer->winograd, weight, bias, in, out)
                      : convolution_open(&layer->direct, weight, bias, in, out, stride, padding);
    return opened ? STATUS_OK : error_set(err, STATUS_INTERNAL, "Out of memory.");
}

void layer_close(struct layer *layer) {
    convolution_close(&layer->direct);
    winograd_close(&layer->winograd);
}

size_t layer_scratch_floats(const struct layer *layer, size_t n) {
    return layer->transformed ? winograd_scratch_floats(&layer->winograd, n) : 0;
}

void layer_run(const struct layer *layer, const float *in, float *out, size_t stride, size_t n,
               bool add, float *scratch) {
    if (layer->transformed)
        winograd_run(&layer->winograd, in, stride, out, stride, n, add, scratch);
    else
        convolution_run(&layer->direct, in, stride, out, stride, n, add);
}
