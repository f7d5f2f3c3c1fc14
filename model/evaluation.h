/* Distances of labelled pairs -> how good the decisions are. Positive = same person; accepted =
 * distance < threshold. Definitions follow ISO/IEC 19795-1 (FMR, FNMR, EER) and scikit-learn
 * (precision, recall, F1, ROC AUC), against which the tests check. */
#ifndef FACEPAIR_MODEL_EVALUATION_H
#define FACEPAIR_MODEL_EVALUATION_H

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
    double threshold, accuracy, precision, recall, f1, fmr, fnmr;
    double roc_auc;            /* of −distance, ties count half */
    double eer, eer_threshold; /* where FMR and FNMR cross, linearly interpolated */
};

/* STATUS_INVALID_FIELD unless both kinds are present and all distances finite. Sorts a copy: O(n
 * log n). */
enum status evaluation_measure(const struct evaluation_pair *pairs, size_t count, double threshold,
                               struct evaluation *evaluation, struct error *err);

#endif
