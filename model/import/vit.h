/* `facepair import vit`: a vision transformer of timm's, from .safetensors or from a PyTorch state
 * dict, as the next version of a model. */
#ifndef FACEPAIR_MODEL_IMPORT_VIT_H
#define FACEPAIR_MODEL_IMPORT_VIT_H

#include "model/card.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct import_vit_options {
    const char *weights_path;   /* the content decides which of the two it is */
    const char *config_path;    /* config.json; NULL: the siamese notebook's network */
    const char *data_directory; /* made when missing */
    const char *name;           /* the model's; NULL: "vit" */
    enum card_input_kind input; /* aligned chips or whole frames */
    FILE *messages;             /* one line for each thing written; NULL: none */
};

/* Checks every tensor before anything is written. The card has no thresholds until the model is
 * calibrated. STATUS_INTERNAL; err names the file. */
enum status import_vit(const struct import_vit_options *options, struct error *err);

#ifdef __cplusplus
}
#endif
#endif
