#include "model/measure/calibrate.h"

#include "model/measure/learned_head.h"
#include "model/measure/pairs.h"
#include "model/measure/people.h"
#include "model/measure/version_people.h"
#include "model/whitening.h"

#include <stdlib.h>
#include <string.h>

static const char METHOD_PAIRS[] = "Pairs as listed; 95 % intervals by Wilson's method.";

struct calibrate {
    const struct calibrate_options *options;
    struct people_gallery_options whose, whose_head;
    struct people_gallery people; /* to calibrate on, or … */
    struct learned_head head;
    struct measure_pairs pairs; /* … pairs of them */
    struct gallery_fit fit;
};

/* ---- the lists ---- */

static enum status read_people(struct calibrate *calibrate, struct error *err) {
    const struct calibrate_options *options = calibrate->options;
    calibrate->whose = calibrate->whose_head = measure_people_of(&options->measured);
    if (options->head_people)
        calibrate->whose_head.people = options->head_people;
    calibrate->whose_head.part = options->head_part;
    if (!options->head_part)
        calibrate->whose_head.split = NULL;
    enum status status = people_gallery_read(&calibrate->whose, &calibrate->people, err);
    return status == STATUS_OK && options->head
               ? learned_head_read(&calibrate->whose_head, calibrate->people.hashes,
                                   &calibrate->head, err)
               : status;
}

enum status calibrate_create(const struct calibrate_options *options, struct calibrate **created,
                             struct error *err) {
    struct calibrate *calibrate = calloc(1, sizeof(*calibrate));
    if (!calibrate)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    calibrate->options = options;
    enum status status = options->measured.pairs
                             ? measure_pairs_read(&options->measured, &calibrate->pairs, err)
                             : read_people(calibrate, err);
    if (status == STATUS_OK)
        *created = calibrate;
    else
        calibrate_destroy(calibrate);
    return status;
}

void calibrate_destroy(struct calibrate *calibrate) {
    if (!calibrate)
        return;
    gallery_fit_release(&calibrate->fit);
    measure_pairs_release(&calibrate->pairs);
    learned_head_release(&calibrate->head);
    people_gallery_release(&calibrate->people);
    free(calibrate);
}

const struct gallery_fit *calibrate_fit(const struct calibrate *calibrate) {
    return &calibrate->fit;
}

/* ---- publishing ---- */

static enum status publish(const struct measure_place *place, const struct calibrate *calibrate,
                           const struct calibrated_data *data, char version[CARD_VERSION_MAX + 1],
                           struct error *err) {
    const struct calibrate_options *options = calibrate->options;
    const struct gallery_fit *fit = &calibrate->fit;
    struct calibrated calibrated = {.data_directory = place->data,
                                    .card = &place->version->card,
                                    .embedding_changed = options->mirror || options->normalise,
                                    .head = options->head ? &calibrate->head.described : NULL,
                                    .measured = &fit->measured,
                                    .typical = &fit->typical,
                                    .points = fit->points,
                                    .points_count = fit->points_count,
                                    .data = *data};
    calibrated.data.genuine_pairs = fit->histogram.genuine_pairs;
    calibrated.data.impostor_pairs = fit->histogram.impostor_pairs;
    calibrated.data.job = options->job;
    return calibrated_publish(&calibrated, version, err);
}

/* ---- all pairs of people ---- */

/* The head first, and those to calibrate on as they will be once it stands in the version. */
static enum status embed_people(const struct measure_place *place, struct calibrate *calibrate,
                                struct error *err) {
    bool head = calibrate->options->head;
    enum status status = version_people_refuse_learned(place, &calibrate->people.people, err);
    if (status == STATUS_OK && head)
        status = learned_head_learn(place, &calibrate->whose_head, &calibrate->head, err);
    if (status == STATUS_OK)
        status = people_gallery_embed(place, &calibrate->whose, &calibrate->people, err);
    return status == STATUS_OK && head
               ? whitening_apply(calibrate->head.matrix, &calibrate->people.gallery, err)
               : status;
}

static enum status run_people(const struct measure_place *place, struct calibrate *calibrate,
                              char version[CARD_VERSION_MAX + 1], struct error *err) {
    const struct measure_options *options = &calibrate->options->measured;
    const struct people_gallery *people = &calibrate->people;
    const struct bootstrap_options bootstrap = {options->replicates, options->seed,
                                                measure_crew(place)};
    enum status status = embed_people(place, calibrate, err);
    if (status == STATUS_OK)
        status = gallery_fit_people(&people->gallery, &bootstrap, &calibrate->fit, err);
    if (status != STATUS_OK)
        return status;
    const struct calibrated_data data = {.kind = "people",
                                         .file_sha256 = people->file_sha256,
                                         .people_sha256 = people->people_sha256,
                                         .part = options->part,
                                         .hashes = people->hashes,
                                         .people = people->gallery.people,
                                         .images = gallery_images(&people->gallery),
                                         .method = GALLERY_FIT_METHOD};
    return publish(place, calibrate, &data, version, err);
}

/* ---- pairs as listed ---- */

static enum status fit_pairs(const struct measure_pairs *pairs, struct gallery_fit *fit,
                             struct error *err) {
    static const struct error_rates_extra NO_MORE = {0};
    struct evaluation evaluation; /* refuses what is no measurement */
    enum status status =
        evaluation_measure(pairs->measured, pairs->measured_count, 0.5, &evaluation, err);
    if (status == STATUS_OK)
        status = evaluation_histogram(pairs->measured, pairs->measured_count, &fit->histogram, err);
    if (status != STATUS_OK)
        return status;
    error_rates_of_pairs(&fit->histogram, &NO_MORE, &fit->measured.error_rates);
    return gallery_fit_decisions(fit, err);
}

static enum status run_pairs(const struct measure_place *place, struct calibrate *calibrate,
                             char version[CARD_VERSION_MAX + 1], struct error *err) {
    struct measure_pairs *pairs = &calibrate->pairs;
    char *const *images = pairs->dataset.images;
    uint32_t count = pairs->dataset.images_count;
    enum status status = version_people_refuse_learned_images(place, images, count, err);
    if (status == STATUS_OK)
        status = faces_embed(place, &calibrate->options->measured.faces, images, count,
                             &pairs->faces, err);
    if (status == STATUS_OK)
        status = measure_pairs_distances(place->version->card.embedding_length, pairs, err);
    if (status == STATUS_OK)
        status = fit_pairs(pairs, &calibrate->fit, err);
    if (status != STATUS_OK)
        return status;
    const struct calibrated_data data = {.kind = "pairs",
                                         .file_sha256 = pairs->pairs_sha256,
                                         .images = count - pairs->faces.left_out,
                                         .method = METHOD_PAIRS};
    return publish(place, calibrate, &data, version, err);
}

enum status calibrate_run(const struct measure_place *place, struct calibrate *calibrate,
                          char version[CARD_VERSION_MAX + 1], struct error *err) {
    return calibrate->options->measured.pairs ? run_pairs(place, calibrate, version, err)
                                              : run_people(place, calibrate, version, err);
}
