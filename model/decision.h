/* From two embeddings to a decision: pure functions, no state. */
#ifndef FACEPAIR_MODEL_DECISION_H
#define FACEPAIR_MODEL_DECISION_H

#include "model/card.h"

enum decision_rule { DECISION_MAX_FMR, DECISION_THRESHOLD };

struct decision {
    enum decision_rule rule;
    double max_fmr;   /* with DECISION_MAX_FMR */
    double threshold; /* accepted when distance < threshold */
};

/* √Σ(a−b)² in double. a, b: (length) float32. */
double decision_distance(const float *a, const float *b, uint32_t length);
/* The threshold of the card's largest measured fmr ≤ max_fmr. STATUS_NOT_CALIBRATED without any,
 * STATUS_UNSUPPORTED_FMR (err tells the smallest). */
enum status decision_by_max_fmr(const struct card *card, double max_fmr, struct decision *decision,
                                struct error *err);
struct decision decision_by_threshold(double threshold);
bool decision_verified(const struct decision *decision, double distance);

/* FMR and FNMR at exactly this threshold with their intervals, from the card's curve. False: the
 * card has none. */
bool decision_rates(const struct card *card, double threshold, struct error_rates_point *rates);

/* How likely it is that two faces at this distance are one person's, when a share `prior` (0 … 1)
 * of the pairs asked about is. False: the card has no calibration. */
struct decision_evidence {
    double log_likelihood_ratio, probability;
};
bool decision_evidence(const struct card *card, double distance, double prior,
                       struct decision_evidence *evidence);

/* Whether an embedding lies nearer to the version's mean than all but a share of genuine faces do
 * (card_typical.h). False when the card has no mean: decision_typical_known() tells. */
bool decision_atypical(const struct card *card, const float *embedding);
bool decision_typical_known(const struct card *card);

#endif
