/* Distances of labelled pairs -> how good the decisions are. Positive = same person; accepted =
 * distance < threshold. Definitions follow ISO/IEC 19795-1 (FMR, FNMR, EER) and scikit-learn
 * (precision, recall, F1, ROC AUC), against which the tests check. */
#ifndef FACEPAIR_MODEL_EVALUATION_H
#define FACEPAIR_MODEL_EVALUATION_H

#include "model/distance_histogram.h"
#include "server/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evaluation_pair {
    double distance;
    bool same;
};

struct evaluation {
    size_t pairs, genuine, impostor;
    size_t true_accept, false_accept, true_reject, false_reject; /* at threshold */
    double threshold;
    double accuracy;  /* (true accepts + true rejects) ÷ pairs */
    double precision; /* true accepts ÷ accepts; 0 when nothing is accepted */
    double recall;    /* true accepts ÷ genuine = 1 − FNMR */
    double f1;        /* harmonic mean of both = 2 TA ÷ (2 TA + FA + FR) */
    double fmr, fnmr; /* false accepts ÷ impostor, false rejects ÷ genuine */
    /* The chance that a genuine pair is nearer than an impostor pair, ties counting half. */
    double roc_auc;
    /* Where FMR = FNMR on the ROC curve, whose points are joined by straight lines, and the
     * threshold there, interpolated alike. */
    double eer, eer_threshold;
};

/* STATUS_INVALID_FIELD unless both kinds are present and all distances finite and not negative.
 * Sorts a copy: O(n log n). */
enum status evaluation_measure(const struct evaluation_pair *pairs, size_t count, double threshold,
                               struct evaluation *evaluation, struct error *err);

/* The same pairs, which evaluation_measure has accepted, as a histogram: each weighs 1 ÷ pairs of
 * its kind. */
enum status evaluation_histogram(const struct evaluation_pair *pairs, size_t count,
                                 struct distance_histogram *histogram, struct error *err);

#endif
