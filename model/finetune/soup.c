#include "model/finetune/soup.h"

#include "model/safetensors.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static size_t values_of(const struct safetensors_tensor *tensor) {
    size_t values = 1;
    for (uint32_t i = 0; i < tensor->rank; i++)
        values *= tensor->shape[i];
    return values;
}

static bool same_shape(const struct safetensors_tensor *a, const struct safetensors_tensor *b) {
    return a->rank == b->rank && memcmp(a->shape, b->shape, a->rank * sizeof(*a->shape)) == 0;
}

/* Adds the file's share of every tensor's mean. */
static enum status add(const char *ingredient, const struct safetensors_tensor *tensors,
                       size_t count, float *const *means, uint32_t ingredients, struct error *err) {
    struct safetensors *file;
    enum status status = safetensors_open(ingredient, &file, err);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        const struct safetensors_tensor *own = safetensors_find(file, tensors[i].name);
        if (!own || !same_shape(own, &tensors[i])) {
            status =
                error_set(err, STATUS_INTERNAL, "%.120s: %.80s is missing or has another shape",
                          ingredient, tensors[i].name);
            continue;
        }
        for (size_t k = values_of(own); k-- > 0;)
            means[i][k] += own->data[k] / (float)ingredients;
    }
    safetensors_close(file);
    return status;
}

/* tensors: those of the first ingredient, by name and shape. */
static enum status stir(const char *const *ingredients, uint32_t count,
                        struct safetensors_tensor *tensors, size_t tensors_count, float **means,
                        const char *path, struct error *err) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < tensors_count; i++) {
        means[i] = calloc(values_of(&tensors[i]) + 1, sizeof(float));
        if (!means[i])
            return error_set(err, STATUS_INTERNAL, "out of memory");
        tensors[i].data = means[i];
    }
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++)
        status = add(ingredients[i], tensors, tensors_count, means, count, err);
    return status == STATUS_OK ? safetensors_write(path, tensors, tensors_count, err) : status;
}

enum status soup_write(const char *const *ingredients, uint32_t count, const char *path,
                       struct error *err) {
    struct safetensors *first;
    enum status status = safetensors_open(ingredients[0], &first, err);
    if (status != STATUS_OK)
        return status;
    size_t tensors_count = safetensors_count(first);
    struct safetensors_tensor *tensors = calloc(tensors_count + 1, sizeof(*tensors));
    float **means = calloc(tensors_count + 1, sizeof(*means));
    if (tensors && means) {
        memcpy(tensors, safetensors_all(first), tensors_count * sizeof(*tensors));
        status = stir(ingredients, count, tensors, tensors_count, means, path, err);
    } else {
        status = error_set(err, STATUS_INTERNAL, "out of memory");
    }
    for (size_t i = 0; means && i < tensors_count; i++)
        free(means[i]);
    free(means);
    free(tensors);
    safetensors_close(first);
    return status;
}
