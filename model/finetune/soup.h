/* A model soup: the mean of the weights of several trainings that began with the same weights and
 * saw the same data in other orders. It is as large and as fast as one of them, and better than
 * each: what they learned agrees, and their errors do not (Wortsman et al., "Model soups: averaging
 * weights of multiple fine-tuned models improves accuracy without increasing inference time",
 * 2022).
 */
#ifndef FACEPAIR_MODEL_FINETUNE_SOUP_H
#define FACEPAIR_MODEL_FINETUNE_SOUP_H

#include "server/status.h"

#include <stdint.h>

/* Writes the mean of the files' tensors to path, which must not exist; they must hold the same
 * tensors. Flushed to disk as safetensors_write does it. STATUS_INTERNAL with the cause. */
enum status soup_write(const char *const *ingredients, uint32_t count, const char *path,
                       struct error *err);

#endif
