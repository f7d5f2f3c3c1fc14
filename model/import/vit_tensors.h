/* The tensors of a vision transformer, by timm's names: what shape they say the network has, and
 * whether they are all there. */
#ifndef FACEPAIR_MODEL_IMPORT_VIT_TENSORS_H
#define FACEPAIR_MODEL_IMPORT_VIT_TENSORS_H

#include "model/card_vit.h"
#include "model/import/vit_config.h"
#include "model/safetensors.h"

#ifdef __cplusplus
extern "C" {
#endif

struct vit_tensors {
    struct card_vit vit;
    size_t count;
    struct safetensors_tensor *tensors; /* those that the network uses; names and data borrowed */
};

/* given (count): in any order, with or without the prefix "model." on all names (it is taken off);
 * a classifier, head.*, is left out. Refused: a missing tensor, one of another shape than the
 * others imply, one that the network has no use for, a value that is not finite. On STATUS_OK
 * result->tensors is for the caller to free. STATUS_INTERNAL. */
enum status vit_tensors_choose(const struct safetensors_tensor *given, size_t count,
                               const struct vit_config *config, struct vit_tensors *result,
                               struct error *err);

#ifdef __cplusplus
}
#endif
#endif
