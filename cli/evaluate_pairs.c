#include "cli/evaluate.h"
#include "model/measure/pairs.h"
#include "model/plot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Everything of one run; released as a whole. */
struct run {
    const struct evaluate_settings *settings;
    struct measure_options options;
    struct session session;
    struct measure_pairs pairs;
};

/* ---- telling ---- */

static void print_for_people(const struct run *run) {
    const struct evaluation *e = &run->pairs.evaluation;
    const struct evaluate_settings *settings = run->settings;
    const struct card *card = &run->session.version->card;
    printf("model             %s@%s\n", card->name, card->version);
    printf("protocol          %s (face: %s; without a face: %s)\n", settings->protocol_name,
           FACES_WHICH[settings->face], FACES_WITHOUT[settings->no_face]);
    printf("pairs             %zu of %zu (%zu genuine, %zu impostor)\n", e->pairs,
           run->pairs.dataset.pairs_count, e->genuine, e->impostor);
    printf("images            %u, %zu without the face asked for%s\n",
           run->pairs.dataset.images_count, run->pairs.faces.not_found,
           settings->no_face == 0 ? " (their pairs are left out)" : " (their centre is used)");
    printf("threshold         %g\n", e->threshold);
    printf("accuracy          %.4f\n", e->accuracy);
    printf("precision         %.4f\n", e->precision);
    printf("recall            %.4f\n", e->recall);
    printf("F1                %.4f\n", e->f1);
    printf("FMR, FNMR         %.4f, %.4f\n", e->fmr, e->fnmr);
    printf("ROC AUC           %.6f\n", e->roc_auc);
    printf("EER               %.4f (at threshold %.4f)\n", e->eer, e->eer_threshold);
    if (run->pairs.folds.count)
        printf("%-2u folds          %.4f ± %.4f (thresholds chosen on the other folds)\n",
               run->pairs.folds.count, run->pairs.folds.accuracy, run->pairs.folds.standard_error);
    if (run->pairs.points_count)
        evaluate_print_points(run->pairs.points, run->pairs.points_count);
}

static enum status emit(const struct run *run, const struct measure_place *place,
                        struct error *err) {
    size_t size = 0;
    char *json = measure_pairs_json(place, &run->options, &run->pairs, &size);
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
    for (size_t i = 0; i < run->pairs.dataset.pairs_count; i++) {
        const struct dataset_pair *pair = &run->pairs.dataset.pairs[i];
        const struct photograph *a = &run->pairs.faces.photographs[pair->a];
        const struct photograph *b = &run->pairs.faces.photographs[pair->b];
        if (a->status == STATUS_OK && b->status == STATUS_OK)
            fprintf(file, "%d\t%.9g\t%s\t%s\n", pair->same, run->pairs.measured[next++].distance,
                    a->name, b->name);
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
             run->settings->protocol_name, run->pairs.evaluation.pairs);
    const struct plot plot = {.title = title,
                              .rates = &run->pairs.rates,
                              .histogram = &run->pairs.histogram,
                              .calibration = run->pairs.calibrated ? &run->pairs.calibration : NULL,
                              .threshold = run->settings->threshold};
    return plot_write(run->settings->plot, &plot, err);
}

/* ---- the whole ---- */

static enum status compute(struct run *run, struct error *err) {
    const struct evaluate_settings *settings = run->settings;
    const struct measure_place place = session_place(&run->session);
    enum status status = measure_pairs_compute(&place, &run->options, &run->pairs, err);
    if (status == STATUS_OK && settings->distances)
        status = write_distances(run, err);
    if (status == STATUS_OK && settings->plot)
        status = draw(run, err);
    if (status == STATUS_OK)
        status = emit(run, &place, err);
    if (status == STATUS_OK && !settings->json)
        print_for_people(run);
    return status;
}

enum status evaluate_pairs(const struct evaluate_settings *settings, const char *model,
                           struct error *err) {
    struct run run = {.settings = settings, .options = evaluate_options(settings)};
    enum status status = measure_pairs_read(&run.options, &run.pairs, err);
    if (status == STATUS_OK)
        status = evaluate_open(settings, model, &run.session, err);
    if (status == STATUS_OK) {
        status = compute(&run, err);
        session_close(&run.session);
    }
    measure_pairs_release(&run.pairs);
    return status;
}
