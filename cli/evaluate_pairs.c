#include "cli/evaluate.h"
#include "cli/faces.h"
#include "cli/version_people.h"
#include "model/dataset.h"
#include "model/decision.h"
#include "model/digest.h"
#include "model/evaluation_json.h"
#include "model/plot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything of one run; released as a whole. */
struct run {
    const struct evaluate_settings *settings;
    char pairs_sha256[DIGEST_TEXT_SIZE];
    struct dataset_pairs dataset;
    struct session session;
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

/* ---- computing ---- */

static enum status measure_distances(struct run *run, struct error *err) {
    const struct dataset_pairs *dataset = &run->dataset;
    uint32_t length = run->session.version->card.embedding_length;
    size_t per_fold = dataset->pairs_count / dataset->folds;
    run->measured = calloc(dataset->pairs_count, sizeof(*run->measured));
    run->fold_of = calloc(dataset->pairs_count, sizeof(*run->fold_of));
    if (!run->measured || !run->fold_of)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    for (size_t i = 0; i < dataset->pairs_count; i++) {
        const struct dataset_pair *pair = &dataset->pairs[i];
        if (run->faces.photographs[pair->a].status != STATUS_OK ||
            run->faces.photographs[pair->b].status != STATUS_OK)
            continue;
        const float *a = run->faces.embeddings + (size_t)pair->a * length;
        const float *b = run->faces.embeddings + (size_t)pair->b * length;
        run->fold_of[run->measured_count] = (uint32_t)(i / per_fold);
        run->measured[run->measured_count++] = (struct evaluation_pair){
            .distance = decision_distance(a, b, length), .same = pair->same};
    }
    return evaluation_measure(run->measured, run->measured_count, run->settings->threshold,
                              &run->evaluation, err);
}

/* The probabilities are checked on other people than they were fitted on, or not at all. */
static enum status check_calibration(struct run *run, struct error *err) {
    const struct card_measured *measured = &run->session.version->card.measured;
    bool overlapping;
    enum status status =
        version_people_in_images(&run->session, VERSION_CALIBRATION_PEOPLE, run->dataset.images,
                                 run->dataset.images_count, &overlapping, err);
    run->calibrated = status == STATUS_OK && measured->calibration.count > 0 && !overlapping;
    if (run->calibrated)
        calibration_check(&measured->calibration, &run->histogram, run->settings->threshold,
                          &run->calibration);
    return status;
}

static enum status measure(struct run *run, struct error *err) {
    const struct error_rates_extra extra = {1, {run->settings->threshold}};
    enum status status = measure_distances(run, err);
    if (status == STATUS_OK)
        status = evaluation_histogram(run->measured, run->measured_count, &run->histogram, err);
    if (status != STATUS_OK)
        return status;
    error_rates_of_pairs(&run->histogram, &extra, &run->rates);
    run->points_count = error_rates_operating_points(&run->rates, run->points);
    if (run->settings->view2)
        status = folds_measure(run->measured, run->fold_of, run->measured_count, run->dataset.folds,
                               &run->folds, err);
    return status == STATUS_OK ? check_calibration(run, err) : status;
}

/* ---- telling ---- */

static void print_for_people(const struct run *run) {
    const struct evaluation *e = &run->evaluation;
    const struct evaluate_settings *settings = run->settings;
    const struct card *card = &run->session.version->card;
    printf("model             %s@%s\n", card->name, card->version);
    printf("protocol          %s (face: %s; without a face: %s)\n", settings->protocol_name,
           FACES_WHICH[settings->face], FACES_WITHOUT[settings->no_face]);
    printf("pairs             %zu of %zu (%zu genuine, %zu impostor)\n", e->pairs,
           run->dataset.pairs_count, e->genuine, e->impostor);
    printf("images            %u, %zu without the face asked for%s\n", run->dataset.images_count,
           run->faces.not_found,
           settings->no_face == 0 ? " (their pairs are left out)" : " (their centre is used)");
    printf("threshold         %g\n", e->threshold);
    printf("accuracy          %.4f\n", e->accuracy);
    printf("precision         %.4f\n", e->precision);
    printf("recall            %.4f\n", e->recall);
    printf("F1                %.4f\n", e->f1);
    printf("FMR, FNMR         %.4f, %.4f\n", e->fmr, e->fnmr);
    printf("ROC AUC           %.6f\n", e->roc_auc);
    printf("EER               %.4f (at threshold %.4f)\n", e->eer, e->eer_threshold);
    if (run->folds.count)
        printf("%-2u folds          %.4f ± %.4f (thresholds chosen on the other folds)\n",
               run->folds.count, run->folds.accuracy, run->folds.standard_error);
    if (run->points_count)
        evaluate_print_points(run->points, run->points_count);
}

static enum status emit(const struct run *run, struct error *err) {
    const struct card *card = &run->session.version->card;
    const struct evaluation_report report = {.protocol = run->settings->protocol_name,
                                             .model = card->name,
                                             .version = card->version,
                                             .weights_sha256 = card->weights_sha256,
                                             .pairs_sha256 = run->pairs_sha256,
                                             .face = FACES_WHICH[run->settings->face],
                                             .no_face = FACES_WITHOUT[run->settings->no_face],
                                             .pairs_listed = run->dataset.pairs_count,
                                             .images = run->dataset.images_count,
                                             .faces_not_found = run->faces.not_found,
                                             .images_left_out = run->faces.left_out,
                                             .evaluation = &run->evaluation,
                                             .points = run->points,
                                             .points_count = run->points_count,
                                             .folds = run->folds.count ? &run->folds : NULL,
                                             .calibration =
                                                 run->calibrated ? &run->calibration : NULL};
    size_t size = 0;
    char *json = evaluation_json(&report, &size);
    return evaluate_emit(run->settings, &run->session, json, size, err);
}

/* One line a measured pair, in the order of the pairs file. */
static enum status write_distances(const struct run *run, struct error *err) {
    FILE *file = fopen(run->settings->distances, "we");
    if (!file)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", run->settings->distances,
                         strerror(errno));
    fprintf(file, "same\tdistance\timage1\timage2\n");
    size_t next = 0;
    for (size_t i = 0; i < run->dataset.pairs_count; i++) {
        const struct dataset_pair *pair = &run->dataset.pairs[i];
        const struct photograph *a = &run->faces.photographs[pair->a];
        const struct photograph *b = &run->faces.photographs[pair->b];
        if (a->status == STATUS_OK && b->status == STATUS_OK)
            fprintf(file, "%d\t%.9g\t%s\t%s\n", pair->same, run->measured[next++].distance, a->name,
                    b->name);
    }
    bool written = !ferror(file);
    if (fclose(file) != 0 || !written)
        return error_set(err, STATUS_INTERNAL, "%.180s: cannot be written",
                         run->settings->distances);
    return STATUS_OK;
}

static enum status draw(const struct run *run, struct error *err) {
    char title[256];
    const struct card *card = &run->session.version->card;
    snprintf(title, sizeof(title), "%s@%s, %s: %zu pairs", card->name, card->version,
             run->settings->protocol_name, run->evaluation.pairs);
    const struct plot plot = {.title = title,
                              .rates = &run->rates,
                              .histogram = &run->histogram,
                              .calibration = run->calibrated ? &run->calibration : NULL,
                              .threshold = run->settings->threshold};
    return plot_write(run->settings->plot, &plot, err);
}

/* ---- the whole ---- */

static enum status compute(struct run *run, struct error *err) {
    const struct evaluate_settings *settings = run->settings;
    const struct faces_options faces = {settings->images, settings->face, settings->no_face};
    /* A head makes the distances of those whom it was learned from look better than they are. */
    enum status status = version_people_refuse_learned_images(&run->session, run->dataset.images,
                                                              run->dataset.images_count, err);
    if (status == STATUS_OK)
        status = faces_embed(&run->session, &faces, run->dataset.images, run->dataset.images_count,
                             &run->faces, err);
    if (status == STATUS_OK)
        status = measure(run, err);
    if (status == STATUS_OK && settings->distances)
        status = write_distances(run, err);
    if (status == STATUS_OK && settings->plot)
        status = draw(run, err);
    if (status == STATUS_OK)
        status = emit(run, err);
    if (status == STATUS_OK && !settings->json)
        print_for_people(run);
    return status;
}

enum status evaluate_pairs(const struct evaluate_settings *settings, const char *model,
                           struct error *err) {
    struct run run = {.settings = settings};
    enum status status = digest_file(settings->pairs, run.pairs_sha256, err);
    if (status == STATUS_OK)
        status = dataset_pairs_read(settings->pairs, &run.dataset, err);
    if (status == STATUS_OK && settings->view2 &&
        (run.dataset.folds < 2 || run.dataset.folds > FOLDS_MAX))
        status = error_set(err, STATUS_INVALID_FIELD, "%.180s: --view2 needs 2 to %d folds",
                           settings->pairs, FOLDS_MAX);
    if (status == STATUS_OK)
        status = evaluate_open(settings, model, &run.session, err);
    if (status == STATUS_OK) {
        status = compute(&run, err);
        session_close(&run.session);
    }
    dataset_pairs_release(&run.dataset);
    faces_release(&run.faces);
    distance_histogram_release(&run.histogram);
    free(run.measured);
    free(run.fold_of);
    return status;
}
