#include "model/measure/pairs.h"

#include "model/decision.h"
#include "model/measure/version_people.h"

#include <stdlib.h>
#include <string.h>

/* ---- the list ---- */

enum status measure_pairs_read(const struct measure_options *options, struct measure_pairs *pairs,
                               struct error *err) {
    struct dataset_pairs *dataset = &pairs->dataset;
    memset(pairs, 0, sizeof(*pairs));
    enum status status = digest_file(options->pairs, pairs->pairs_sha256, err);
    if (status == STATUS_OK)
        status = dataset_pairs_read(options->pairs, dataset, err);
    if (status != STATUS_OK)
        return status;
    if (options->view2 && (dataset->folds < 2 || dataset->folds > FOLDS_MAX))
        return error_set(err, STATUS_INVALID_FIELD, "%.180s: view2 needs 2 to %d folds",
                         options->pairs, FOLDS_MAX);
    for (uint32_t i = 0; i < dataset->images_count && status == STATUS_OK; i++)
        status = faces_find_file(options->faces.directory, &dataset->images[i], err);
    return status;
}

/* ---- the figures ---- */

enum status measure_pairs_distances(uint32_t length, struct measure_pairs *pairs,
                                    struct error *err) {
    const struct dataset_pairs *dataset = &pairs->dataset;
    size_t per_fold = dataset->pairs_count / dataset->folds;
    pairs->measured = calloc(dataset->pairs_count, sizeof(*pairs->measured));
    pairs->fold_of = calloc(dataset->pairs_count, sizeof(*pairs->fold_of));
    if (!pairs->measured || !pairs->fold_of)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    for (size_t i = 0; i < dataset->pairs_count; i++) {
        const struct dataset_pair *pair = &dataset->pairs[i];
        if (pairs->faces.photographs[pair->a].status != STATUS_OK ||
            pairs->faces.photographs[pair->b].status != STATUS_OK)
            continue;
        const float *a = pairs->faces.embeddings + (size_t)pair->a * length;
        const float *b = pairs->faces.embeddings + (size_t)pair->b * length;
        pairs->fold_of[pairs->measured_count] = (uint32_t)(i / per_fold);
        pairs->measured[pairs->measured_count++] = (struct evaluation_pair){
            .distance = decision_distance(a, b, length), .same = pair->same};
    }
    return STATUS_OK;
}

/* The probabilities are checked on other people than they were fitted on, or not at all. */
static enum status check_calibration(const struct measure_place *place, double threshold,
                                     struct measure_pairs *pairs, struct error *err) {
    const struct card_measured *measured = &place->version->card.measured;
    bool overlapping;
    enum status status =
        version_people_in_images(place, VERSION_CALIBRATION_PEOPLE, pairs->dataset.images,
                                 pairs->dataset.images_count, &overlapping, err);
    pairs->calibrated = status == STATUS_OK && measured->calibration.count > 0 && !overlapping;
    if (pairs->calibrated)
        calibration_check(&measured->calibration, &pairs->histogram, threshold,
                          &pairs->calibration);
    return status;
}

static enum status measure(const struct measure_place *place, const struct measure_options *options,
                           struct measure_pairs *pairs, struct error *err) {
    const struct error_rates_extra extra = {1, {options->threshold}};
    enum status status = measure_pairs_distances(place->version->card.embedding_length, pairs, err);
    if (status == STATUS_OK)
        status = evaluation_measure(pairs->measured, pairs->measured_count, options->threshold,
                                    &pairs->evaluation, err);
    if (status == STATUS_OK)
        status =
            evaluation_histogram(pairs->measured, pairs->measured_count, &pairs->histogram, err);
    if (status != STATUS_OK)
        return status;
    error_rates_of_pairs(&pairs->histogram, &extra, &pairs->rates);
    pairs->points_count = error_rates_operating_points(&pairs->rates, pairs->points);
    if (options->view2)
        status = folds_measure(pairs->measured, pairs->fold_of, pairs->measured_count,
                               pairs->dataset.folds, &pairs->folds, err);
    return status == STATUS_OK ? check_calibration(place, options->threshold, pairs, err) : status;
}

enum status measure_pairs_compute(const struct measure_place *place,
                                  const struct measure_options *options,
                                  struct measure_pairs *pairs, struct error *err) {
    const struct dataset_pairs *dataset = &pairs->dataset;
    /* A head makes the distances of those whom it was learned from look better than they are. */
    enum status status =
        version_people_refuse_learned_images(place, dataset->images, dataset->images_count, err);
    if (status == STATUS_OK)
        status = faces_embed(place, &options->faces, dataset->images, dataset->images_count,
                             &pairs->faces, err);
    return status == STATUS_OK ? measure(place, options, pairs, err) : status;
}

/* ---- telling ---- */

char *measure_pairs_json(const struct measure_place *place, const struct measure_options *options,
                         const struct measure_pairs *pairs, size_t *size) {
    const struct card *card = &place->version->card;
    const struct evaluation_report report = {.protocol = options->protocol,
                                             .model = card->name,
                                             .version = card->version,
                                             .weights_sha256 = card->weights_sha256,
                                             .pairs_sha256 = pairs->pairs_sha256,
                                             .face = FACES_WHICH[options->faces.which],
                                             .no_face = FACES_WITHOUT[options->faces.without],
                                             .pairs_listed = pairs->dataset.pairs_count,
                                             .images = pairs->dataset.images_count,
                                             .faces_not_found = pairs->faces.not_found,
                                             .images_left_out = pairs->faces.left_out,
                                             .evaluation = &pairs->evaluation,
                                             .points = pairs->points,
                                             .points_count = pairs->points_count,
                                             .folds = pairs->folds.count ? &pairs->folds : NULL,
                                             .calibration =
                                                 pairs->calibrated ? &pairs->calibration : NULL};
    return evaluation_json(&report, size);
}

void measure_pairs_release(struct measure_pairs *pairs) {
    dataset_pairs_release(&pairs->dataset);
    faces_release(&pairs->faces);
    distance_histogram_release(&pairs->histogram);
    free(pairs->measured);
    free(pairs->fold_of);
    memset(pairs, 0, sizeof(*pairs));
}
