/* A calibrated version: the same weights under the next number, or others that were trained from
 * them, with a card that knows its error rates, and with a head where one was learned. Versions are
 * immutable, so calibrating makes a new one. */
#ifndef FACEPAIR_MODEL_IMPORT_CALIBRATED_H
#define FACEPAIR_MODEL_IMPORT_CALIBRATED_H

#include "model/card.h"

struct calibrated_data {
    const char *kind;          /* "people" (all pairs) or "pairs" */
    const char *file_sha256;   /* of the people or pairs file */
    const char *people_sha256; /* people_digest; NULL for pairs */
    const char *part;          /* of a split; NULL: all */
    const char *hashes;        /* people_hashes, for calibration-people.txt; NULL: not written */
    uint64_t people, images, genuine_pairs, impostor_pairs;
    const char *method; /* how rates and intervals were computed */
    const char *job;    /* whose calibration it is; NULL: nobody's */
};

/* A head learned for what the card gives (model/whitening.h). */
struct calibrated_head {
    const float *matrix;       /* (embedding_length, embedding_length) of the card */
    const char *file_sha256;   /* of the people file */
    const char *people_sha256; /* people_digest */
    const char *part;          /* of a split; NULL: all */
    const char *hashes;        /* people_hashes, for head-people.txt */
    uint64_t people, images;
};

/* What a version that was trained has besides. */
struct calibrated_training {
    const char *name;    /* of the model that gets the version */
    const char *weights; /* the file, which is shared (file_share) */
    const char *record;  /* a JSON object: "training" in the card */
    const char *hashes;  /* people_hashes of those trained on, for training-people.txt */
    /* evaluation.json, from malloc; NULL: out of memory. */
    char *(*evaluation)(void *context, const char *version, const char *weights_sha256,
                        size_t *size);
    void *context;
};

struct calibrated {
    const char *data_directory;
    /* Of the version that was measured, or trained from, which stands there. */
    const struct card *card;
    const struct calibrated_training *training; /* NULL: its own weights */
    /* Whether card->embedding says more than the version that stands there does. */
    bool embedding_changed;
    const struct calibrated_head *head;   /* NULL: none, or the one that it has */
    const struct card_measured *measured; /* without error rates: not calibrated */
    const struct card_typical *typical;   /* NULL, or without a mean: not measured */
    const struct operating_point *points;
    size_t points_count;
    struct calibrated_data data;
};

/* Publishes DATA/models/NAME/NEXT, whole or not at all; version: its number. STATUS_INTERNAL; err
 * names the file. */
enum status calibrated_publish(const struct calibrated *calibrated,
                               char version[CARD_VERSION_MAX + 1], struct error *err);

#endif
