/* Faces that nobody has but many are taken for: how large a share of people one embedding matches.
 *
 * An attacker who does not know whom to impersonate wants the one input that passes for as many as
 * possible. Three that cost nothing are tried, at the threshold of the default rule: the mean
 * embedding of the very people measured (for whoever may hand in vectors), the mean image of N
 * aligned faces of others, and the faces of others blurred until little but a face is left. */
#ifndef FACEPAIR_MODEL_MASTER_FACE_H
#define FACEPAIR_MODEL_MASTER_FACE_H

#include "model/card.h"
#include "model/gallery.h"

enum { MASTER_FACES_MAX = 8 };

/* Several faces made in one way. */
struct master_face {
    double parameter; /* faces averaged, or the blur's standard deviation in pixels of the input */
    uint32_t tried;   /* faces of this kind */
    uint32_t refused; /* of those, by the check for atypical embeddings (model/decision.h) */
    double rate, rate_max; /* matched share of people, 0 … 1: the mean over those tried, the best */
};

struct master_faces {
    double threshold; /* 0: not measured, for want of a calibration */
    bool checked;     /* the card can tell an atypical embedding */
    double mean_rate; /* of the mean embedding */
    bool mean_refused;
    const char *part; /* of the split, whose faces were averaged and blurred; NULL: none were */
    size_t averaged_count, blurred_count;
    struct master_face averaged[MASTER_FACES_MAX], blurred[MASTER_FACES_MAX];
};

/* The mean over people of the share of their images that are nearer to the embedding than the
 * threshold. */
double master_face_rate(const struct gallery *gallery, const float *embedding, double threshold);

/* Threshold, checked and the mean embedding; the rest stays zero. STATUS_INTERNAL: out of memory.
 */
enum status master_faces_begin(const struct gallery *gallery, const struct card *card,
                               struct master_faces *faces, struct error *err);
/* One more face of a kind; rate is the mean so far. */
void master_face_add(struct master_face *face, const struct gallery *gallery,
                     const struct card *card, double threshold, const float *embedding);

/* out (3, side, side): the mean of the inputs (3, side, side) of which chosen[0…count) are indexes.
 */
void master_face_average(const float *inputs, const uint32_t *chosen, uint32_t count, uint32_t side,
                         float *out);
/* A Gaussian blur of standard deviation sigma pixels, cut off at 3 sigma; beyond the edge the
 * edge's pixels go on. scratch, out (3, side, side). */
void master_face_blur(const float *input, uint32_t side, double sigma, float *scratch, float *out);

#endif
