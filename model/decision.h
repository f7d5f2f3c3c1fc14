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

#endif
