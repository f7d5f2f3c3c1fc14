/* What a version's card is to say, fitted to a gallery: thresholds for false-match rates with their
 * intervals, a log-likelihood ratio, and what a genuine face looks like. */
#ifndef FACEPAIR_MODEL_GALLERY_FIT_H
#define FACEPAIR_MODEL_GALLERY_FIT_H

#include "model/card_measured.h"
#include "model/card_typical.h"
#include "model/error_rates.h"
#include "model/gallery.h"

/* How, for the card. */
extern const char GALLERY_FIT_METHOD[];

struct gallery_fit {
    struct distance_histogram histogram; /* owned */
    struct card_measured measured;
    struct operating_point points[OPERATING_POINTS_MAX];
    size_t points_count;
    struct card_typical typical; /* owned; mean NULL: not measured */
};

/* All pairs of a gallery. STATUS_INVALID_FIELD: too few people or pairs for any threshold. The
 * caller releases the fit, also after a failure. */
enum status gallery_fit_people(const struct gallery *gallery,
                               const struct bootstrap_options *bootstrap, struct gallery_fit *fit,
                               struct error *err);
/* The points and the ratio alone, where histogram and measured.error_rates are there. */
enum status gallery_fit_decisions(struct gallery_fit *fit, struct error *err);
void gallery_fit_release(struct gallery_fit *fit); /* a zeroed one is allowed */

#endif
