/* `facepair calibrate --head`: a head learned from other people than those calibrated on. */
#ifndef FACEPAIR_MODEL_MEASURE_LEARNED_HEAD_H
#define FACEPAIR_MODEL_MEASURE_LEARNED_HEAD_H

#include "model/import/calibrated.h"
#include "model/measure/people_gallery.h"

struct learned_head {
    struct people_gallery people;
    float *matrix;                    /* (length, length); owned */
    struct calibrated_head described; /* borrows from the above */
};

/* Who it is to be learned from, before any photograph is read. STATUS_INVALID_FIELD when one of
 * them is among those to calibrate on (people_hashes). On STATUS_OK the caller releases it. */
enum status learned_head_read(const struct people_gallery_options *options,
                              const char *calibration_hashes, struct learned_head *head,
                              struct error *err);
/* Embeds their photographs and learns it. STATUS_INVALID_FIELD for a version that has a head. */
enum status learned_head_learn(const struct measure_place *place,
                               const struct people_gallery_options *options,
                               struct learned_head *head, struct error *err);
void learned_head_release(struct learned_head *head); /* a zeroed one is allowed */

#endif
