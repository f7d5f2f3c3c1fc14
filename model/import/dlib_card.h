/* The card of dlib-resnet version 1. */
#ifndef FACEPAIR_MODEL_IMPORT_DLIB_CARD_H
#define FACEPAIR_MODEL_IMPORT_DLIB_CARD_H

#include <stddef.h>

/* model.json's text, from malloc; NULL: out of memory. */
char *dlib_card_format(const char *weights_sha256, size_t *size);

/* evaluation.json as `facepair evaluate` wrote it for these weights when this program was built;
 * size 0: it was not measured yet. */
extern const char dlib_evaluation_json[];
extern const size_t dlib_evaluation_json_size;

/* The members that `facepair calibrate` put into the card of a version with these weights
 * (thresholds, error_rates, probability, calibration_data), as one object, and the hashes of the
 * people it measured (calibration-people.txt). Size 0: not measured yet. */
extern const char dlib_measured_json[], dlib_calibration_people[];
extern const size_t dlib_measured_json_size, dlib_calibration_people_size;

#endif
