/* evaluation.json of a list of pairs, and what it has in common with that of a gallery
 * (model/evaluation_gallery.h). */
#ifndef FACEPAIR_MODEL_EVALUATION_JSON_H
#define FACEPAIR_MODEL_EVALUATION_JSON_H

#include "model/calibration.h"
#include "model/error_rates.h"
#include "model/evaluation.h"
#include "model/folds.h"
#include "model/json.h"

/* What a measurement was made of, besides its numbers. */
struct evaluation_report {
    const char *protocol; /* "lfw-view1-train"; what is compared with what */
    const char *model, *version, *weights_sha256;
    const char *pairs_sha256;   /* of the pairs file */
    const char *face, *no_face; /* the choices made: "centre", "reject" */
    size_t pairs_listed;        /* in the file; those left out have an image without a face */
    size_t images, faces_not_found, images_left_out;
    const struct evaluation *evaluation;
    const struct operating_point *points;
    size_t points_count;
    const struct folds *folds;                     /* NULL: not measured */
    const struct calibration_quality *calibration; /* NULL: the card has none */
};

/* evaluation.json, as card_read() reads it; from malloc. NULL: out of memory. Its intervals take
 * the pairs for independent. */
char *evaluation_json(const struct evaluation_report *report, size_t *size);

/* fmr, fmr_low, fmr_high, fnmr, fnmr_low, fnmr_high. */
void evaluation_write_rates(struct json_writer *json, const struct error_rates_point *point);
/* failures: to acquire, 0 … 1, for FRR = FTA + (1 − FTA) · FNMR: a genuine attempt fails for want
 * of a face, or is refused. */
void evaluation_write_points(struct json_writer *json, const char *name,
                             const struct operating_point *points, size_t count, double failures);
/* NULL: null. */
void evaluation_write_calibration(struct json_writer *json,
                                  const struct calibration_quality *quality);

#endif
