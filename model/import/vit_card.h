/* The card of an imported vision transformer. */
#ifndef FACEPAIR_MODEL_IMPORT_VIT_CARD_H
#define FACEPAIR_MODEL_IMPORT_VIT_CARD_H

#include "model/card.h"
#include "model/import/vit_config.h"

struct vit_card {
    const char *name, *version;
    enum card_input_kind input;
    const struct vit_config *config;
    const struct card_vit *vit;
    const char *weights_sha256;
    const char *source_file, *source_sha256; /* what it was imported from */
};

/* model.json's text, from malloc; NULL: out of memory. */
char *vit_card_format(const struct vit_card *card, size_t *size);

#endif
