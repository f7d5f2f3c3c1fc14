/* A calibrated version: the same weights under the next number, with a card that knows its error
 * rates. Versions are immutable, so calibrating makes a new one. */
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

struct calibrated {
    const char *data_directory;
    const struct card *card; /* of the version that was measured, which stands there */
    const struct card_measured *measured;
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
