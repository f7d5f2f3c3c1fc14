/* An evaluation on all pairs of some people. */
#ifndef FACEPAIR_MODEL_MEASURE_PEOPLE_H
#define FACEPAIR_MODEL_MEASURE_PEOPLE_H

#include "model/evaluation_gallery.h"
#include "model/measure/options.h"
#include "model/measure/people_gallery.h"

/* Whom the options name, for people_gallery_read and people_gallery_embed. */
struct people_gallery_options measure_people_of(const struct measure_options *options);

/* Embeds the photographs of those that were read, and measures. STATUS_INVALID_FIELD: somebody is
 * one whom the version was learned from or calibrated on, or they are too few. On STATUS_OK the
 * caller releases the evaluation. */
enum status measure_people_compute(const struct measure_place *place,
                                   const struct measure_options *options,
                                   struct people_gallery *people,
                                   struct evaluation_gallery *evaluation, struct error *err);
/* evaluation.json, from malloc; NULL: out of memory. */
char *measure_people_json(const struct measure_place *place, const struct measure_options *options,
                          const struct people_gallery *people,
                          const struct evaluation_gallery *evaluation, size_t *size);

#endif
