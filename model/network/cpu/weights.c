#include "model/network/cpu/weights.h"

#include <math.h>
#include <stdbool.h>

enum status weights_take(struct weights *weights, const char *name, const size_t *shape,
                         size_t rank, const float **data, struct error *err) {
    const struct safetensors_tensor *found = safetensors_find(weights->file, name);
    if (!found)
        return error_set(err, STATUS_INTERNAL, "the weights have no tensor %s", name);
    bool same = found->rank == rank;
    size_t count = 1;
    for (size_t i = 0; same && i < rank; i++) {
        same = found->shape[i] == shape[i];
        count *= shape[i];
    }
    if (!same)
        return error_set(err, STATUS_INTERNAL, "the weights' tensor %s has another shape", name);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(found->data[i]))
            return error_set(err, STATUS_INTERNAL,
                             "the weights' tensor %s holds a value that is not finite", name);
    weights->taken++;
    *data = found->data;
    return STATUS_OK;
}

enum status weights_finish(const struct weights *weights, struct error *err) {
    if (weights->taken != safetensors_count(weights->file))
        return error_set(err, STATUS_INTERNAL,
                         "the weights hold tensors that this architecture has no use for");
    return STATUS_OK;
}
