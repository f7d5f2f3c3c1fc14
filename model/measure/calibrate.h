/* A calibration: thresholds for false-match rates and a log-likelihood ratio from labelled
 * photographs, as a new version of the model with the same weights; before that, when asked for, a
 * better embedding from them: with the mirror image, normalised, through a learned head. */
#ifndef FACEPAIR_MODEL_MEASURE_CALIBRATE_H
#define FACEPAIR_MODEL_MEASURE_CALIBRATE_H

#include "model/gallery_fit.h"
#include "model/measure/options.h"

struct calibrate_options {
    struct measure_options measured; /* on whom */
    bool mirror, normalise;          /* of what place->version does, the new part */
    bool head;                       /* learn a head, from others: */
    const char *head_people;         /* their file; NULL: that of those measured … */
    const char *head_part;           /* … and another part of the split */
    const char *job;                 /* whose calibration it is, for the card; NULL: nobody's */
};

/* Whom the options name; kept between the reading of the lists and the work. */
struct calibrate;

/* The lists, before any photograph is read and any model opened. STATUS_INVALID_FIELD,
 * STATUS_INTERNAL. On STATUS_OK the caller destroys it. options: borrowed until then. */
enum status calibrate_create(const struct calibrate_options *options, struct calibrate **calibrate,
                             struct error *err);
/* Embeds, fits and publishes; version: the new one's number. STATUS_INVALID_FIELD: somebody is one
 * whom the version was learned from, or they are too few. */
enum status calibrate_run(const struct measure_place *place, struct calibrate *calibrate,
                          char version[CARD_VERSION_MAX + 1], struct error *err);
/* What was fitted, after STATUS_OK. */
const struct gallery_fit *calibrate_fit(const struct calibrate *calibrate);
void calibrate_destroy(struct calibrate *calibrate); /* NULL is allowed */

#endif
