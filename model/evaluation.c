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

#include "model/json.h"

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

/* ---- evaluation.json ---- */

static void write_data(struct json_writer *writer, const struct evaluation_report *report) {
    json_write_object(writer, "data");
    json_write_text(writer, "pairs_sha256", report->pairs_sha256);
    json_write_integer(writer, "pairs_listed", (int64_t)report->pairs_listed);
    json_write_integer(writer, "pairs_left_out",
                       (int64_t)(report->pairs_listed - report->evaluation->pairs));
    json_write_integer(writer, "images", (int64_t)report->images);
    json_write_integer(writer, "faces_not_found", (int64_t)report->faces_not_found);
    json_write_text(writer, "face", report->face);
    json_write_text(writer, "no_face", report->no_face);
    json_write_end(writer);
}

static void write_model(struct json_writer *writer, const struct evaluation_report *report) {
    json_write_object(writer, "model");
    json_write_text(writer, "name", report->model);
    json_write_text(writer, "version", report->version);
    json_write_text(writer, "weights_sha256", report->weights_sha256);
    json_write_end(writer);
}

static void write_numbers(struct json_writer *writer, const struct evaluation *evaluation) {
    json_write_integer(writer, "pairs", (int64_t)evaluation->pairs);
    json_write_integer(writer, "genuine", (int64_t)evaluation->genuine);
    json_write_integer(writer, "impostor", (int64_t)evaluation->impostor);
    json_write_real(writer, "threshold", evaluation->threshold);
    json_write_integer(writer, "true_accept", (int64_t)evaluation->true_accept);
    json_write_integer(writer, "false_accept", (int64_t)evaluation->false_accept);
    json_write_integer(writer, "true_reject", (int64_t)evaluation->true_reject);
    json_write_integer(writer, "false_reject", (int64_t)evaluation->false_reject);
    json_write_real(writer, "accuracy", evaluation->accuracy);
    json_write_real(writer, "precision", evaluation->precision);
    json_write_real(writer, "recall", evaluation->recall);
    json_write_real(writer, "f1", evaluation->f1);
    json_write_real(writer, "fmr", evaluation->fmr);
    json_write_real(writer, "fnmr", evaluation->fnmr);
    json_write_real(writer, "roc_auc", evaluation->roc_auc);
    json_write_real(writer, "eer", evaluation->eer);
    json_write_real(writer, "eer_threshold", evaluation->eer_threshold);
}

char *evaluation_json(const struct evaluation_report *report, size_t *size) {
    struct json_writer *writer = json_writer_create();
    if (!writer)
        return NULL;
    json_write_object(writer, NULL);
    json_write_text(writer, "protocol", report->protocol);
    write_model(writer, report);
    write_data(writer, report);
    write_numbers(writer, report->evaluation);
    json_write_end(writer);
    return json_writer_finish(writer, size);
}
