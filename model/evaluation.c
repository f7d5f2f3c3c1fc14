/* How good decisions by distance are.
 *
 * All pairs are sorted by distance. A threshold between two neighbouring distinct distances accepts
 * exactly the pairs before it, so walking over the groups of equal distances visits every point of
 * the ROC curve: after a group, (FMR, FNMR) = (impostors passed ÷ impostors, genuine not passed ÷
 * genuine).
 *
 * AUC. The area under the ROC curve equals the probability that a genuine pair is nearer than an
 * impostor pair (Mann and Whitney 1947; Hanley and McNeil 1982). Each impostor in a group has all
 * genuine pairs of earlier groups nearer and those of its own group tied, which count half. The sum
 * is of halves of integers below 2⁵³, so it is exact.
 *
 * EER. FMR rises from 0 to 1 and FNMR falls from 1 to 0, so their difference changes sign on one
 * segment between two neighbouring points; there FMR₀ + s (FMR₁ − FMR₀) = FNMR₀ + s (FNMR₁ − FNMR₀)
 * is solved for s. This is where the line TPR = 1 − FPR meets the ROC curve of straight segments,
 * scikit-learn's roc_curve(drop_intermediate=False).
 */
#include "model/evaluation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_distance(const void *a, const void *b) {
    double x = ((const struct evaluation_pair *)a)->distance;
    double y = ((const struct evaluation_pair *)b)->distance;
    return (x > y) - (x < y);
}

static enum status count_kinds(const struct evaluation_pair *pairs, size_t count,
                               struct evaluation *evaluation, struct error *err) {
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(pairs[i].distance) || pairs[i].distance < 0)
            return error_set(err, STATUS_INVALID_FIELD, "the distance of pair %zu is not a number",
                             i + 1);
        evaluation->genuine += pairs[i].same;
    }
    evaluation->pairs = count;
    evaluation->impostor = count - evaluation->genuine;
    if (evaluation->genuine == 0 || evaluation->impostor == 0)
        return error_set(err, STATUS_INVALID_FIELD,
                         "an evaluation needs pairs of one person and pairs of two");
    return STATUS_OK;
}

static double ratio(size_t part, size_t whole) { return whole ? (double)part / (double)whole : 0; }

static void measure_at(const struct evaluation_pair *pairs, double threshold,
                       struct evaluation *evaluation) {
    for (size_t i = 0; i < evaluation->pairs; i++) {
        bool accepted = pairs[i].distance < threshold;
        evaluation->true_accept += accepted && pairs[i].same;
        evaluation->false_accept += accepted && !pairs[i].same;
    }
    size_t true_accept = evaluation->true_accept, false_accept = evaluation->false_accept;
    evaluation->false_reject = evaluation->genuine - true_accept;
    evaluation->true_reject = evaluation->impostor - false_accept;
    evaluation->threshold = threshold;
    evaluation->accuracy = ratio(true_accept + evaluation->true_reject, evaluation->pairs);
    evaluation->precision = ratio(true_accept, true_accept + false_accept);
    evaluation->recall = ratio(true_accept, evaluation->genuine);
    evaluation->f1 =
        ratio(2 * true_accept, 2 * true_accept + false_accept + evaluation->false_reject);
    evaluation->fmr = ratio(false_accept, evaluation->impostor);
    evaluation->fnmr = ratio(evaluation->false_reject, evaluation->genuine);
}

struct roc_point {
    double fmr, fnmr;
    double threshold; /* the smallest that accepts what this point has accepted */
};

/* True when the curves cross between two neighbouring points; then the crossing is noted. */
static bool crosses(const struct roc_point *from, const struct roc_point *to,
                    struct evaluation *evaluation) {
    if (to->fmr < to->fnmr)
        return false;
    double before = from->fnmr - from->fmr, after = to->fmr - to->fnmr;
    double s = before / (before + after);
    evaluation->eer = from->fmr + s * (to->fmr - from->fmr);
    evaluation->eer_threshold = from->threshold + s * (to->threshold - from->threshold);
    return true;
}

static void walk_the_curve(const struct evaluation_pair *sorted, struct evaluation *evaluation) {
    size_t count = evaluation->pairs, genuine = 0, impostor = 0;
    double half_wins = 0; /* twice the number of impostor pairs' genuine pairs that are nearer */
    struct roc_point from = {0, 1, sorted[0].distance};
    bool crossed = false;
    for (size_t i = 0; i < count;) {
        size_t group_genuine = 0, group_impostor = 0, end = i;
        for (; end < count && sorted[end].distance == sorted[i].distance; end++) {
            group_genuine += sorted[end].same;
            group_impostor += !sorted[end].same;
        }
        half_wins += (double)group_impostor * (double)(2 * genuine + group_genuine);
        genuine += group_genuine;
        impostor += group_impostor;
        struct roc_point to = {
            ratio(impostor, evaluation->impostor), 1 - ratio(genuine, evaluation->genuine),
            end < count ? sorted[end].distance : nextafter(sorted[i].distance, INFINITY)};
        if (!crossed)
            crossed = crosses(&from, &to, evaluation);
        from = to;
        i = end;
    }
    evaluation->roc_auc =
        half_wins / (2.0 * (double)evaluation->genuine * (double)evaluation->impostor);
}

enum status evaluation_measure(const struct evaluation_pair *pairs, size_t count, double threshold,
                               struct evaluation *evaluation, struct error *err) {
    memset(evaluation, 0, sizeof(*evaluation));
    enum status status = count_kinds(pairs, count, evaluation, err);
    if (status != STATUS_OK)
        return status;
    struct evaluation_pair *sorted = calloc(count, sizeof(*sorted));
    if (!sorted)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    memcpy(sorted, pairs, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), by_distance);
    measure_at(pairs, threshold, evaluation);
    walk_the_curve(sorted, evaluation);
    free(sorted);
    return STATUS_OK;
}

enum status evaluation_histogram(const struct evaluation_pair *pairs, size_t count,
                                 struct distance_histogram *histogram, struct error *err) {
    double longest = 0;
    uint64_t genuine = 0;
    for (size_t i = 0; i < count; i++) {
        longest = fmax(longest, pairs[i].distance);
        genuine += pairs[i].same;
    }
    enum status status = distance_histogram_create(distance_resolution(longest), histogram, err);
    if (status != STATUS_OK)
        return status;
    histogram->genuine_pairs = genuine;
    histogram->impostor_pairs = count - genuine;
    for (size_t i = 0; i < count; i++) {
        size_t bin = (size_t)(pairs[i].distance * histogram->per_unit);
        if (pairs[i].same)
            histogram->genuine[bin] += 1.0 / (double)genuine;
        else
            histogram->impostor[bin] += 1.0 / (double)histogram->impostor_pairs;
    }
    return STATUS_OK;
}
