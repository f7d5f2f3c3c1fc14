#include "model/finetune/comparison.h"

#include "model/all_pairs.h"
#include "model/decision.h"
#include "model/pair_scan.h"
#include "model/random.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIFFERENCES = 4 }; /* of FNMR, of FMR, of accuracy, of FNMR held */

/* One version at its thresholds. */
struct side {
    const struct comparison_side *given;
    struct comparison_rates *rates;
    struct all_pairs_shares shares; /* of accepted pairs, at the operating threshold alone */
    /* of a list of pairs, whether the decision is right */
    bool *genuine_right, *impostor_right;
};

struct comparing {
    const struct comparison_options *options;
    struct side base, candidate, held;
    struct pair_list list; /* of the evaluation people */
    uint32_t *drawn;       /* (people): how often each is in the replicate */
};

/* ---- one side ---- */

/* The largest threshold that keeps the rate on the calibration people, as a bin of its own. */
static enum status find_threshold(const struct comparing *comparing, struct side *side,
                                  uint32_t *bin, struct error *err) {
    struct distance_histogram histogram;
    double per_unit;
    enum status status =
        all_pairs_measure(side->given->calibration, &comparing->options->crew, &histogram, err);
    if (status != STATUS_OK)
        return status;
    uint32_t limit = distance_histogram_threshold(&histogram, comparing->options->fmr);
    side->rates->threshold = limit / histogram.per_unit;
    distance_histogram_release(&histogram);
    /* The evaluation people's distances may have other bins. */
    status = pair_scan_resolution(side->given->evaluation, &per_unit, err);
    if (status == STATUS_OK)
        *bin = (uint32_t)fmin(round(side->rates->threshold * per_unit), DISTANCE_BINS);
    return status;
}

static enum status find_accuracy_threshold(const struct comparing *comparing, struct side *side,
                                           struct error *err) {
    struct pair_list list;
    enum status status =
        pair_list_draw(side->given->calibration, comparing->options->seed, &list, err);
    if (status != STATUS_OK)
        return status;
    status =
        pair_list_threshold(&list, side->given->calibration, &side->rates->accuracy_threshold, err);
    pair_list_release(&list);
    return status;
}

static bool accepts(const struct side *side, const struct pair_list_item *pair) {
    const struct gallery *gallery = side->given->evaluation;
    return decision_distance(gallery->embeddings + (size_t)pair->a * gallery->length,
                             gallery->embeddings + (size_t)pair->b * gallery->length,
                             gallery->length) < side->rates->accuracy_threshold;
}

static enum status decide_list(const struct comparing *comparing, struct side *side,
                               struct error *err) {
    const struct pair_list *list = &comparing->list;
    side->genuine_right = calloc((size_t)list->genuine_count + 1, sizeof(bool));
    side->impostor_right = calloc((size_t)list->impostor_count + 1, sizeof(bool));
    if (!side->genuine_right || !side->impostor_right)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    for (uint32_t i = 0; i < list->genuine_count; i++)
        side->genuine_right[i] = accepts(side, &list->genuine[i]);
    for (uint32_t i = 0; i < list->impostor_count; i++)
        side->impostor_right[i] = !accepts(side, &list->impostor[i]);
    return STATUS_OK;
}

static enum status begin_side(const struct comparing *comparing, struct side *side,
                              struct error *err) {
    uint32_t bin;
    enum status status = find_threshold(comparing, side, &bin, err);
    if (status == STATUS_OK)
        status = find_accuracy_threshold(comparing, side, err);
    if (status == STATUS_OK)
        status = decide_list(comparing, side, err);
    return status == STATUS_OK ? all_pairs_share_out(side->given->evaluation, &bin, 1,
                                                     &comparing->options->crew, &side->shares, err)
                               : status;
}

/* The candidate once more, at the largest threshold that keeps `fmr` on the evaluation people, but
 * none above its own. */
static enum status begin_held(struct comparing *comparing, double fmr, struct error *err) {
    struct side *side = &comparing->held;
    const struct comparison_rates *own = comparing->candidate.rates;
    struct distance_histogram histogram;
    enum status status =
        all_pairs_measure(side->given->evaluation, &comparing->options->crew, &histogram, err);
    if (status != STATUS_OK)
        return status;
    uint32_t bin = distance_histogram_threshold(&histogram, fmr);
    bin = (uint32_t)fmin(bin, round(own->threshold * histogram.per_unit));
    side->rates->threshold = bin / histogram.per_unit;
    side->rates->accuracy_threshold = own->accuracy_threshold;
    distance_histogram_release(&histogram);
    status = decide_list(comparing, side, err);
    return status == STATUS_OK ? all_pairs_share_out(side->given->evaluation, &bin, 1,
                                                     &comparing->options->crew, &side->shares, err)
                               : status;
}

static void end_side(struct side *side) {
    all_pairs_shares_release(&side->shares);
    free(side->genuine_right);
    free(side->impostor_right);
}

/* ---- rates of the people as drawn ---- */

static double accepted_impostors(const struct all_pairs_shares *shares, const uint32_t *drawn) {
    double sum = 0;
    for (unsigned l = 0; l < ALL_PAIRS_LANES; l++) {
        const struct all_pairs_lane *lane = &shares->impostor[l];
        size_t next = 0;
        for (size_t run = 0; run < lane->runs_count; run++)
            for (; next < lane->runs[run].end; next++)
                sum += (double)lane->shares[next].share * drawn[lane->runs[run].person] *
                       drawn[lane->shares[next].person];
    }
    return sum;
}

static double accepted_genuine(const struct all_pairs_shares *shares, const uint32_t *drawn) {
    double sum = 0;
    for (unsigned l = 0; l < ALL_PAIRS_LANES; l++) {
        const struct all_pairs_lane *lane = &shares->genuine[l];
        size_t next = 0;
        for (size_t run = 0; run < lane->runs_count; run++)
            for (; next < lane->runs[run].end; next++)
                sum += (double)lane->shares[next].share * drawn[lane->runs[run].person];
    }
    return sum;
}

/* Half of the share of genuine pairs that are right, and half of that of impostor pairs. */
static double accuracy(const struct comparing *comparing, const struct side *side) {
    const struct pair_list *list = &comparing->list;
    double right[2] = {0, 0}, all[2] = {0, 0};
    for (uint32_t i = 0; i < list->genuine_count; i++) {
        double times = comparing->drawn[list->genuine[i].person[0]];
        all[0] += times;
        right[0] += times * side->genuine_right[i];
    }
    for (uint32_t i = 0; i < list->impostor_count; i++) {
        const uint32_t *person = list->impostor[i].person;
        double times = (double)comparing->drawn[person[0]] * comparing->drawn[person[1]];
        all[1] += times;
        right[1] += times * side->impostor_right[i];
    }
    return 0.5 * (all[0] > 0 ? right[0] / all[0] : 0) + 0.5 * (all[1] > 0 ? right[1] / all[1] : 0);
}

/* False: no rates, for want of two people or of one with two photographs. */
static bool measure(const struct comparing *comparing, const struct side *side,
                    struct comparison_rates *rates) {
    const struct all_pairs_shares *shares = &side->shares;
    double squares = 0, all = 0, paired = 0;
    for (uint32_t person = 0; person < shares->people; person++) {
        double k = comparing->drawn[person];
        all += k;
        squares += k * k;
        paired += shares->paired[person] ? k : 0;
    }
    double pairs = (all * all - squares) / 2;
    if (pairs <= 0 || paired <= 0)
        return false;
    rates->fmr = fmin(1, accepted_impostors(shares, comparing->drawn) / pairs);
    rates->fnmr = fmax(0, 1 - accepted_genuine(shares, comparing->drawn) / paired);
    rates->accuracy = accuracy(comparing, side);
    return true;
}

static bool measure_each(const struct comparing *comparing, struct comparison *into,
                         double difference[DIFFERENCES]) {
    if (!measure(comparing, &comparing->base, &into->base) ||
        !measure(comparing, &comparing->candidate, &into->candidate) ||
        !measure(comparing, &comparing->held, &into->held))
        return false;
    difference[0] = into->base.fnmr - into->candidate.fnmr;
    difference[1] = into->base.fmr - into->candidate.fmr;
    difference[2] = into->candidate.accuracy - into->base.accuracy;
    difference[3] = into->base.fnmr - into->held.fnmr;
    return true;
}

/* ---- the bootstrap ---- */

static void draw(const struct comparing *comparing, struct random_generator *generator) {
    uint32_t people = comparing->base.shares.people;
    memset(comparing->drawn, 0, people * sizeof(*comparing->drawn));
    for (uint32_t i = 0; i < people; i++)
        comparing->drawn[random_below(generator, people)]++;
}

static enum status resample(const struct comparing *comparing, struct comparison *comparison,
                            struct error *err) {
    uint32_t replicates = comparing->options->replicates;
    struct random_generator generator = random_seeded(comparing->options->seed);
    double *values = calloc((size_t)DIFFERENCES * replicates, sizeof(*values));
    struct comparison_difference *const differences[DIFFERENCES] = {
        &comparison->fnmr, &comparison->fmr, &comparison->accuracy, &comparison->held_fnmr};
    if (!values)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    for (uint32_t i = 0; i < replicates; i++) {
        struct comparison drawn;
        double difference[DIFFERENCES];
        do
            draw(comparing, &generator);
        while (!measure_each(comparing, &drawn, difference));
        for (int d = 0; d < DIFFERENCES; d++)
            values[(size_t)d * replicates + i] = difference[d];
        if (!go_on_ask(&comparing->options->crew.go_on)) {
            free(values);
            return error_set(err, STATUS_DRAINING, "stopped");
        }
    }
    for (int d = 0; d < DIFFERENCES; d++)
        differences[d]->interval = interval_of_confidence(values + (size_t)d * replicates,
                                                          replicates, comparison->confidence);
    free(values);
    return STATUS_OK;
}

/* ---- the whole ---- */

/* Everybody once. */
static enum status draw_all(struct comparing *comparing, uint32_t people, struct error *err) {
    comparing->drawn = calloc(people, sizeof(*comparing->drawn));
    for (uint32_t person = 0; comparing->drawn && person < people; person++)
        comparing->drawn[person] = 1;
    return comparing->drawn ? STATUS_OK : error_set(err, STATUS_INTERNAL, "out of memory");
}

static enum status measure_all(struct comparing *comparing, struct comparison *comparison,
                               struct error *err) {
    double difference[DIFFERENCES];
    enum status status = draw_all(comparing, comparison->people, err);
    if (status != STATUS_OK)
        return status;
    measure(comparing, &comparing->base, &comparison->base);
    status = begin_held(comparing, fmax(comparison->base.fmr, comparing->options->fmr), err);
    if (status != STATUS_OK)
        return status;
    bool well = measure_each(comparing, comparison, difference);
    assert(well); /* all_pairs_share_out takes no smaller gallery */
    comparison->fnmr.value = difference[0];
    comparison->fmr.value = difference[1];
    comparison->accuracy.value = difference[2];
    comparison->held_fnmr.value = difference[3];
    return resample(comparing, comparison, err);
}

static enum status compare(struct comparing *comparing, struct comparison *comparison,
                           struct error *err) {
    const struct gallery *evaluation = comparing->base.given->evaluation;
    enum status status =
        pair_list_draw(evaluation, comparing->options->seed, &comparing->list, err);
    if (status == STATUS_OK)
        status = begin_side(comparing, &comparing->base, err);
    if (status == STATUS_OK)
        status = begin_side(comparing, &comparing->candidate, err);
    if (status != STATUS_OK)
        return status;
    comparison->people = evaluation->people;
    comparison->people_paired = comparing->base.shares.people_paired;
    comparison->images = gallery_images(evaluation);
    comparison->genuine_listed = comparing->list.genuine_count;
    comparison->impostor_listed = comparing->list.impostor_count;
    return measure_all(comparing, comparison, err);
}

enum status comparison_measure(const struct comparison_side *base,
                               const struct comparison_side *candidate,
                               const struct comparison_options *options,
                               struct comparison *comparison, struct error *err) {
    assert(options->candidates > 0 && options->replicates > 0);
    assert(base->evaluation->people == candidate->evaluation->people &&
           gallery_images(base->evaluation) == gallery_images(candidate->evaluation));
    *comparison = (struct comparison){.confidence = 1 - 0.05 / options->candidates};
    struct comparing comparing = {
        .options = options,
        .base = {.given = base, .rates = &comparison->base},
        .candidate = {.given = candidate, .rates = &comparison->candidate},
        .held = {.given = candidate, .rates = &comparison->held}};
    enum status status = compare(&comparing, comparison, err);
    end_side(&comparing.base);
    end_side(&comparing.candidate);
    end_side(&comparing.held);
    pair_list_release(&comparing.list);
    free(comparing.drawn);
    comparison->better = status == STATUS_OK && comparison->held_fnmr.interval.low > 0;
    return status;
}

/* ---- as JSON ---- */

static void write_side(struct json_writer *json, const char *name,
                       const struct comparison_side *side, const struct comparison_rates *rates) {
    json_write_object(json, name);
    json_write_text(json, "model", side->name);
    json_write_text(json, "version", side->version);
    json_write_short(json, "threshold", rates->threshold);
    json_write_short(json, "fmr", rates->fmr);
    json_write_short(json, "fnmr", rates->fnmr);
    json_write_short(json, "accuracy_threshold", rates->accuracy_threshold);
    json_write_short(json, "accuracy", rates->accuracy);
    json_write_end(json);
}

static void write_difference(struct json_writer *json, const char *name,
                             const struct comparison_difference *difference) {
    json_write_object(json, name);
    json_write_short(json, "value", difference->value);
    json_write_short(json, "low", difference->interval.low);
    json_write_short(json, "high", difference->interval.high);
    json_write_end(json);
}

void comparison_write(struct json_writer *json, const struct comparison_side *base,
                      const struct comparison_side *candidate,
                      const struct comparison_options *options,
                      const struct comparison *comparison) {
    json_write_object(json, "comparison");
    json_write_real(json, "operating_fmr", options->fmr);
    json_write_integer(json, "candidates", options->candidates);
    json_write_short(json, "confidence", comparison->confidence);
    json_write_integer(json, "replicates", options->replicates);
    json_write_integer(json, "people", comparison->people);
    json_write_integer(json, "people_with_two_images", comparison->people_paired);
    json_write_integer(json, "images", comparison->images);
    json_write_integer(json, "genuine_pairs_listed", comparison->genuine_listed);
    json_write_integer(json, "impostor_pairs_listed", comparison->impostor_listed);
    write_side(json, "base", base, &comparison->base);
    write_side(json, "candidate", candidate, &comparison->candidate);
    json_write_object(json, "candidate_held");
    json_write_short(json, "threshold", comparison->held.threshold);
    json_write_short(json, "fmr", comparison->held.fmr);
    json_write_short(json, "fnmr", comparison->held.fnmr);
    json_write_end(json);
    write_difference(json, "fewer_refused", &comparison->fnmr);
    write_difference(json, "fewer_refused_held", &comparison->held_fnmr);
    write_difference(json, "fewer_false_matches", &comparison->fmr);
    write_difference(json, "more_accurate", &comparison->accuracy);
    json_write_bool(json, "better", comparison->better);
    json_write_end(json);
}
