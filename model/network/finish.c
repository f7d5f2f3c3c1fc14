#include "model/network/finish.h"

#include "model/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

/* NULL, or what is wrong with it. */
static const char *fault_of(const struct safetensors_tensor *head, uint32_t length,
                            uint32_t network_length) {
    if (!head)
        return "is missing";
    if (head->rank != 2 || head->shape[0] != length || head->shape[1] != network_length)
        return "has another shape than the card says";
    for (size_t i = 0; i < (size_t)length * network_length; i++)
        if (!isfinite(head->data[i]))
            return "holds a value that is not finite";
    return NULL;
}

static enum status read_head(const char *path, struct finish *finish, struct error *err) {
    struct safetensors *file;
    enum status status = safetensors_open(path, &file, err);
    if (status != STATUS_OK)
        return status;
    const struct safetensors_tensor *head = safetensors_find(file, CARD_HEAD_TENSOR);
    const char *fault = fault_of(head, finish->length, finish->network_length);
    if (fault) {
        status = error_set(err, STATUS_INTERNAL, "%.150s: %s %s", path, CARD_HEAD_TENSOR, fault);
    } else {
        size_t bytes = (size_t)finish->length * finish->network_length * sizeof(float);
        finish->head = malloc(bytes);
        if (finish->head)
            memcpy(finish->head, head->data, bytes);
        else
            status = error_set(err, STATUS_INTERNAL, "out of memory");
    }
    safetensors_close(file);
    return status;
}

enum status finish_open(const struct card *card, const char *weights_path, struct finish *finish,
                        struct error *err) {
    *finish = (struct finish){.network_length = card->embedding.network_length,
                              .length = card->embedding_length,
                              .mirror = card->embedding.mirror,
                              .normalise = card->embedding.normalise};
    finish->vector = calloc(finish->network_length, sizeof(*finish->vector));
    if (!finish->vector)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    enum status status = card->embedding.head ? read_head(weights_path, finish, err) : STATUS_OK;
    if (status != STATUS_OK)
        finish_close(finish);
    return status;
}

void finish_close(struct finish *finish) {
    free(finish->head);
    free(finish->vector);
    *finish = (struct finish){0};
}

bool finish_needed(const struct finish *finish) {
    return finish->mirror || finish->normalise || finish->head;
}

/* ---- computing ---- */

static void normalise(double *vector, uint32_t length) {
    double sum = 0;
    for (uint32_t i = 0; i < length; i++)
        sum += vector[i] * vector[i];
    double size = sqrt(sum);
    for (uint32_t i = 0; i < length && size > 0; i++)
        vector[i] /= size;
}

static double dot(const float *row, const double *vector, uint32_t length) {
    double sum = 0;
    for (uint32_t i = 0; i < length; i++)
        sum += (double)row[i] * vector[i];
    return sum;
}

void finish_embedding(const struct finish *finish, const float *face, const float *mirrored,
                      float *out) {
    double *vector = finish->vector;
    uint32_t n = finish->network_length;
    for (uint32_t i = 0; i < n; i++)
        vector[i] = mirrored ? ((double)face[i] + (double)mirrored[i]) / 2 : (double)face[i];
    if (finish->normalise)
        normalise(vector, n);
    for (uint32_t i = 0; i < finish->length; i++)
        out[i] = (float)(finish->head ? dot(finish->head + (size_t)i * n, vector, n) : vector[i]);
    explicit_bzero(vector, n * sizeof(*vector));
}

void finish_mirror(const float *face, uint32_t side, float *out) {
    for (size_t row = 0; row < (size_t)3 * side; row++)
        for (uint32_t x = 0; x < side; x++)
            out[row * side + x] = face[row * side + side - 1 - x];
}
