/* AUC. A genuine pair in a bin is nearer than the impostor weight in later bins and ties with that
 * in its own, which counts half. EER: FMR rises and FNMR falls from bin to bin; where their
 * difference changes sign, both are on a straight line between two points of the ROC curve
 * (model/evaluation.c). These are scikit-learn's figures for distances rounded down to their bins.
 */
#include "model/evaluation_gallery.h"

#include "model/decision.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double DEFAULT_FMR = 0.001; /* the service's default rule */

/* ---- figures of the histogram ---- */

static void walk(const struct distance_histogram *histogram, struct evaluation *evaluation) {
    double fmr = 0, matched = 0, from_fmr = 0, from_fnmr = 1, from_threshold = -1;
    bool crossed = false;
    for (uint32_t bin = 0; bin < DISTANCE_BINS; bin++) {
        double genuine = histogram->genuine[bin], impostor = histogram->impostor[bin];
        if (genuine <= 0 && impostor <= 0)
            continue;
        double threshold = bin / histogram->per_unit; /* accepts all before this bin */
        if (!crossed && from_threshold >= 0 && fmr >= 1 - matched) {
            double before = from_fnmr - from_fmr, after = fmr - (1 - matched);
            double s = before / (before + after);
            evaluation->eer = from_fmr + s * (fmr - from_fmr);
            evaluation->eer_threshold = from_threshold + s * (threshold - from_threshold);
            crossed = true;
        }
        from_fmr = fmr;
        from_fnmr = 1 - matched;
        from_threshold = threshold;
        evaluation->roc_auc += impostor * (matched + genuine / 2);
        fmr += impostor;
        matched += genuine;
    }
    if (!crossed) { /* only at the last distance of all */
        double before = from_fnmr - from_fmr, s = before / (before + 1);
        evaluation->eer = from_fmr + s * (1 - from_fmr);
        evaluation->eer_threshold = from_threshold;
    }
}

void evaluation_of_histogram(const struct distance_histogram *histogram, double threshold,
                             struct evaluation *evaluation) {
    memset(evaluation, 0, sizeof(*evaluation));
    uint32_t limit = (uint32_t)fmin(round(threshold * histogram->per_unit), DISTANCE_BINS);
    evaluation->pairs = histogram->genuine_pairs + histogram->impostor_pairs;
    evaluation->genuine = histogram->genuine_pairs;
    evaluation->impostor = histogram->impostor_pairs;
    evaluation->threshold = limit / histogram->per_unit;
    evaluation->fmr = distance_histogram_fmr(histogram, limit);
    evaluation->fnmr = distance_histogram_fnmr(histogram, limit);
    double accepted = 1 - evaluation->fnmr + evaluation->fmr;
    evaluation->recall = 1 - evaluation->fnmr;
    evaluation->accuracy = (evaluation->recall + 1 - evaluation->fmr) / 2;
    evaluation->precision = accepted > 0 ? evaluation->recall / accepted : 0;
    evaluation->f1 = 2 * evaluation->recall / (1 + accepted);
    walk(histogram, evaluation);
}

/* ---- what the card says, against these people ---- */

/* The thresholds that are to be looked up exactly. */
static struct error_rates_extra thresholds_of(const struct card *card, double threshold) {
    static_assert((int)CARD_THRESHOLDS_MAX < (int)ERROR_RATES_EXTRA_MAX, "room");
    struct error_rates_extra extra = {.count = 1, .thresholds = {threshold}};
    for (size_t i = 0; i < card->thresholds_count; i++)
        extra.thresholds[extra.count++] = card->thresholds[i].threshold;
    return extra;
}

static double rounded(const struct distance_histogram *histogram, double threshold) {
    return fmin(round(threshold * histogram->per_unit), DISTANCE_BINS) / histogram->per_unit;
}

static void check_card(const struct card *card, struct evaluation_gallery *evaluation) {
    const struct distance_histogram *histogram = &evaluation->histogram;
    evaluation->card_points_count = card->thresholds_count;
    for (size_t i = 0; i < card->thresholds_count; i++)
        evaluation->card_points[i] = (struct operating_point){
            card->thresholds[i].fmr,
            error_rates_at(&evaluation->rates, rounded(histogram, card->thresholds[i].threshold))};
    evaluation->at_threshold_rates =
        error_rates_at(&evaluation->rates, evaluation->at_threshold.threshold);
    evaluation->calibrated = card->measured.calibration.count > 0;
    if (evaluation->calibrated)
        calibration_check(&card->measured.calibration, histogram,
                          evaluation->at_threshold.threshold, &evaluation->calibration);
}

/* ---- groups ---- */

static enum status measure_selected(const struct gallery *gallery,
                                    const struct evaluation_gallery_options *options,
                                    struct evaluation_group *group, double threshold,
                                    struct error *err) {
    struct distance_histogram histogram;
    struct error_rates rates;
    struct error cause;
    enum status status = all_pairs_measure(gallery, &options->bootstrap.crew, &histogram, &cause);
    if (status == STATUS_INVALID_FIELD)
        return STATUS_OK; /* too few people: not measured */
    if (status == STATUS_OK) {
        const struct error_rates_extra extra = {1, {threshold}};
        status = error_rates_of_gallery(gallery, &histogram, &options->bootstrap, &extra, &rates,
                                        &cause);
        if (status == STATUS_OK)
            group->rates = error_rates_at(&rates, rounded(&histogram, threshold));
        group->measured = status == STATUS_OK;
        distance_histogram_release(&histogram);
    }
    if (status != STATUS_OK)
        *err = cause;
    return status;
}

/* Pairs within the group alone: the hard ones, since people of one group look more alike. */
static enum status measure_group(const struct gallery *gallery, const struct people *people,
                                 const struct evaluation_gallery_options *options, uint32_t number,
                                 struct evaluation_gallery *evaluation, struct error *err) {
    struct evaluation_group *group = &evaluation->groups[number];
    uint32_t *chosen = calloc(gallery->people, sizeof(*chosen));
    if (!chosen)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    group->name = people->groups[number];
    for (uint32_t person = 0; person < gallery->people; person++)
        if (people->list[person].group == number)
            chosen[group->people++] = person;
    struct gallery selected;
    enum status status = gallery_select(gallery, chosen, group->people, &selected, err);
    free(chosen);
    if (status != STATUS_OK)
        return status;
    group->images = gallery_images(&selected);
    status = measure_selected(&selected, options, group, evaluation->groups_threshold, err);
    gallery_release(&selected);
    return status;
}

static enum status measure_groups(const struct gallery *gallery, const struct card *card,
                                  const struct people *people,
                                  const struct evaluation_gallery_options *options,
                                  struct evaluation_gallery *evaluation, struct error *err) {
    struct decision decision;
    enum status status = STATUS_OK;
    if (!people || people->groups_count == 0)
        return STATUS_OK;
    assert(people->count == gallery->people);
    evaluation->groups_threshold =
        decision_by_max_fmr(card, DEFAULT_FMR, &decision, NULL) == STATUS_OK
            ? decision.threshold
            : evaluation->at_threshold.threshold;
    evaluation->groups_count = people->groups_count;
    for (uint32_t number = 0; number < people->groups_count && status == STATUS_OK; number++)
        status = measure_group(gallery, people, options, number, evaluation, err);
    return status;
}

/* ---- the whole ---- */

enum status evaluation_gallery_measure(const struct gallery *gallery, const struct card *card,
                                       const struct people *people,
                                       const struct evaluation_gallery_options *options,
                                       struct evaluation_gallery *evaluation, struct error *err) {
    memset(evaluation, 0, sizeof(*evaluation));
    enum status status =
        all_pairs_measure(gallery, &options->bootstrap.crew, &evaluation->histogram, err);
    if (status != STATUS_OK)
        return status;
    evaluation_of_histogram(&evaluation->histogram, options->threshold, &evaluation->at_threshold);
    const struct error_rates_extra extra = thresholds_of(card, options->threshold);
    status = error_rates_of_gallery(gallery, &evaluation->histogram, &options->bootstrap, &extra,
                                    &evaluation->rates, err);
    if (status == STATUS_OK) {
        evaluation->points_count =
            error_rates_operating_points(&evaluation->rates, evaluation->points);
        check_card(card, evaluation);
        status = master_faces_begin(gallery, card, &evaluation->master_faces, err);
    }
    if (status == STATUS_OK)
        status = measure_groups(gallery, card, people, options, evaluation, err);
    if (status != STATUS_OK)
        evaluation_gallery_release(evaluation);
    return status;
}

void evaluation_gallery_release(struct evaluation_gallery *evaluation) {
    distance_histogram_release(&evaluation->histogram);
    memset(evaluation, 0, sizeof(*evaluation));
}
