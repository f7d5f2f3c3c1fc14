/* What a vision transformer's weights do not tell: the config.json that timm writes beside them. */
#ifndef FACEPAIR_MODEL_IMPORT_VIT_CONFIG_H
#define FACEPAIR_MODEL_IMPORT_VIT_CONFIG_H

#include "server/status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vit_pooling { VIT_POOL_UNSAID, VIT_POOL_MEAN, VIT_POOL_CLASS_TOKEN };

struct vit_config {
    char architecture[64]; /* timm's name */
    char license[64];      /* "" where none is stated */
    uint32_t heads;
    enum vit_pooling pooling;
    uint32_t side;         /* of the input */
    double crop_pct;       /* see card_input */
    float mean[3], std[3]; /* of pixels in 0…255 */
};

/* The siamese notebook's network: vit_mediumd_patch16_reg4_gap_256.sbb_in12k_ft_in1k. */
struct vit_config vit_config_notebook(void);

/* A config.json as on a model hub. `architecture` must be a plain vision transformer of timm's, one
 * that differs from others of the family only in what the weights or this file say (not CLIP's or
 * SigLIP's, whose activation or norms are others). STATUS_INTERNAL with the file's name. */
enum status vit_config_read(const char *path, struct vit_config *config, struct error *err);

#ifdef __cplusplus
}
#endif
#endif
