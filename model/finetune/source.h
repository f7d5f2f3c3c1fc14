/* A version that a job begins from, or compares with: what stands on disk. */
#ifndef FACEPAIR_MODEL_FINETUNE_SOURCE_H
#define FACEPAIR_MODEL_FINETUNE_SOURCE_H

#include "model/model_version.h"

#include <limits.h>

enum source_learned { SOURCE_TRAINING, SOURCE_HEAD, SOURCE_LEARNED };

struct source {
    char directory[PATH_MAX], weights[PATH_MAX];
    struct model_version *version; /* owned; read, not loaded */
    /* people_hashes of those whom it was trained on and its head learned from; owned; NULL: none */
    char *learned[SOURCE_LEARNED];
};

/* model: NAME@VERSION (finetune_spec_pin). Checks the hash of the weights. STATUS_UNKNOWN_MODEL,
 * STATUS_INTERNAL. On STATUS_OK the caller closes it. */
enum status source_open(const char *data, const char *model, struct source *source,
                        struct error *err);
void source_close(struct source *source); /* a zeroed one is allowed */

#endif
