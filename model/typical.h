/* Measures what a card's "typical" says (model/card_typical.h) on a gallery of genuine faces: the
 * mean embedding, and how far from it all but a share of faces keep. */
#ifndef FACEPAIR_MODEL_TYPICAL_H
#define FACEPAIR_MODEL_TYPICAL_H

#include "model/card_typical.h"
#include "model/gallery.h"

/* Each person weighs the same in both, and each of their images the same share of that.
 * distance_min is the largest distance of the gallery below which at most `share` of the weight
 * lies. On STATUS_OK the caller releases it; STATUS_INTERNAL: out of memory. */
enum status typical_measure(const struct gallery *gallery, double share,
                            struct card_typical *typical, struct error *err);

/* The mean alone: mean (length). */
enum status typical_mean(const struct gallery *gallery, float *mean, struct error *err);

#endif
