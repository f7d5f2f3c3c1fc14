/* Labelled photographs on disk: LFW's pairs files over a folder of PERSON/PERSON_0001.jpg. */
#ifndef FACEPAIR_MODEL_DATASET_H
#define FACEPAIR_MODEL_DATASET_H

#include "server/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dataset_pair {
    uint32_t a, b; /* indexes into images */
    bool same;
};

struct dataset_pairs {
    /* Paths below the image directory, each once: "AJ_Cook/AJ_Cook_0001.jpg"; owned. */
    char **images;
    uint32_t images_count;
    struct dataset_pair *pairs;
    size_t pairs_count;
    uint32_t folds; /* ≥ 1; pairs stand fold by fold, as many in each */
};

/* LFW format: first line N (or "folds<TAB>N"), then N lines "name i j" and N lines "name1 i name2
 * j" (per fold); at most a million pairs. A name that could leave the image directory is refused.
 * STATUS_INVALID_FIELD with the line number; STATUS_INTERNAL when the file cannot be read. On
 * STATUS_OK the caller gives *pairs to dataset_pairs_release. */
enum status dataset_pairs_read(const char *path, struct dataset_pairs *pairs, struct error *err);
void dataset_pairs_release(struct dataset_pairs *pairs);

#endif
