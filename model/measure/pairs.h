/* An evaluation on a list of pairs. */
#ifndef FACEPAIR_MODEL_MEASURE_PAIRS_H
#define FACEPAIR_MODEL_MEASURE_PAIRS_H

#include "model/dataset.h"
#include "model/digest.h"
#include "model/evaluation_json.h"
#include "model/measure/options.h"

struct measure_pairs {
    char pairs_sha256[DIGEST_TEXT_SIZE];
    struct dataset_pairs dataset;
    struct faces faces;
    struct evaluation_pair *measured; /* the pairs of which both images have a face */
    uint32_t *fold_of;                /* of each measured pair */
    size_t measured_count;
    struct distance_histogram histogram;
    struct evaluation evaluation;
    struct error_rates rates;
    struct operating_point points[OPERATING_POINTS_MAX];
    size_t points_count;
    struct folds folds;                     /* count 0: not asked for */
    struct calibration_quality calibration; /* when calibrated */
    bool calibrated;
};

/* The list, before any photograph is read. STATUS_INVALID_FIELD, STATUS_INTERNAL. The caller
 * releases it, also after a failure. */
enum status measure_pairs_read(const struct measure_options *options, struct measure_pairs *pairs,
                               struct error *err);
/* Embeds the photographs and fills in the rest. STATUS_INVALID_FIELD: somebody in the list is one
 * whom the version was learned from, or it is no measurement. */
enum status measure_pairs_compute(const struct measure_place *place,
                                  const struct measure_options *options,
                                  struct measure_pairs *pairs, struct error *err);
/* The distances alone: `measured`, `fold_of` and their count, of those that are embedded. */
enum status measure_pairs_distances(uint32_t embedding_length, struct measure_pairs *pairs,
                                    struct error *err);
/* evaluation.json, from malloc; NULL: out of memory. */
char *measure_pairs_json(const struct measure_place *place, const struct measure_options *options,
                         const struct measure_pairs *pairs, size_t *size);
void measure_pairs_release(struct measure_pairs *pairs); /* a zeroed one is allowed */

#endif
