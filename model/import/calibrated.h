/* A calibrated version: the same weights under the next number, with a card that knows its error
 * rates, and with a head where one was learned. Versions are immutable, so calibrating makes a new
 * one. */
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

struct calibrated {
    const char *data_directory;
    const struct card *card; /* of the version that was measured, which stands there */
    /* Whether card->embedding says more than the version that stands there does. */
    bool embedding_changed;
    const struct calibrated_head *head; /* NULL: none, or the one that it has */
    const struct card_measured *measured;
    const struct card_typical *typical; /* NULL, or without a mean: not measured */
    const struct operating_point *points;
    size_t points_count;
    struct calibrated_data data;
};

/* Publishes DATA/models/NAME/NEXT, whole or not at all; version: its number. STATUS_INTERNAL; err
 * names the file. */
enum status calibrated_publish(const struct calibrated *calibrated,
                               char version[CARD_VERSION_MAX + 1], struct error *err);
/* Makes it the one in use: DATA/models/NAME/active. */
enum status calibrated_activate(const struct calibrated *calibrated, const char *version,
                                struct error *err);

#endif
