/* Who a version was made from, by the hashes in its directory: nothing is fitted and reported on
 * the same people. */
#ifndef FACEPAIR_MODEL_MEASURE_VERSION_PEOPLE_H
#define FACEPAIR_MODEL_MEASURE_VERSION_PEOPLE_H

#include "model/measure/place.h"
#include "model/people.h"

enum version_people { VERSION_CALIBRATION_PEOPLE, VERSION_HEAD_PEOPLE, VERSION_TRAINING_PEOPLE };

/* people_hashes of those whom thresholds and probabilities were measured on
 * (calibration-people.txt), whom the head was learned from (head-people.txt) or whom the network
 * was trained on (training-people.txt), from malloc; NULL when the version does not say. */
enum status version_people_read(const struct measure_place *place, enum version_people which,
                                char **hashes, struct error *err);
/* STATUS_INVALID_FIELD when someone is among them. */
enum status version_people_refuse(const struct measure_place *place, enum version_people which,
                                  const struct people *people, struct error *err);
/* STATUS_INVALID_FIELD when someone is among those whom head or network were learned from. */
enum status version_people_refuse_learned(const struct measure_place *place,
                                          const struct people *people, struct error *err);
/* Whether one of the images, PERSON/PERSON_0001.jpg …, is of someone among them. */
enum status version_people_in_images(const struct measure_place *place, enum version_people which,
                                     char *const *images, size_t count, bool *found,
                                     struct error *err);
/* STATUS_INVALID_FIELD when one is of someone whom head or network were learned from. */
enum status version_people_refuse_learned_images(const struct measure_place *place,
                                                 char *const *images, size_t count,
                                                 struct error *err);

#endif
