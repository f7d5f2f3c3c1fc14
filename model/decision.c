#include "model/decision.h"

#include <math.h>

double decision_distance(const float *a, const float *b, uint32_t length) {
    double sum = 0;
    for (uint32_t i = 0; i < length; i++) {
        double difference = (double)a[i] - (double)b[i];
        sum += difference * difference;
    }
    return sqrt(sum);
}

enum status decision_by_max_fmr(const struct card *card, double max_fmr, struct decision *decision,
                                struct error *err) {
    if (!(max_fmr > 0 && max_fmr <= 1))
        return error_set(err, STATUS_INVALID_FIELD, "max_fmr must lie above 0 and at most at 1.");
    if (card->thresholds_count == 0)
        return error_set(err, STATUS_NOT_CALIBRATED,
                         "The model has no measured false-match rates: ask by threshold.");
    /* The points fall in fmr, so the first that is small enough is the largest that is. */
    for (size_t i = 0; i < card->thresholds_count; i++) {
        if (card->thresholds[i].fmr <= max_fmr) {
            *decision = (struct decision){.rule = DECISION_MAX_FMR,
                                          .max_fmr = max_fmr,
                                          .threshold = card->thresholds[i].threshold};
            return STATUS_OK;
        }
    }
    return error_set(err, STATUS_UNSUPPORTED_FMR,
                     "The smallest false-match rate that this model's data supports is %g.",
                     card->thresholds[card->thresholds_count - 1].fmr);
}

struct decision decision_by_threshold(double threshold) {
    return (struct decision){.rule = DECISION_THRESHOLD, .threshold = threshold};
}

bool decision_verified(const struct decision *decision, double distance) {
    return distance < decision->threshold;
}

bool decision_rates(const struct card *card, double threshold, struct error_rates_point *rates) {
    if (card->measured.error_rates.count == 0)
        return false;
    *rates = error_rates_at(&card->measured.error_rates, threshold);
    return true;
}

bool decision_evidence(const struct card *card, double distance, double prior,
                       struct decision_evidence *evidence) {
    if (card->measured.calibration.count == 0)
        return false;
    evidence->log_likelihood_ratio = calibration_llr(&card->measured.calibration, distance);
    evidence->probability = calibration_probability(evidence->log_likelihood_ratio, prior);
    return true;
}

bool decision_typical_known(const struct card *card) { return card->typical.mean != NULL; }

bool decision_atypical(const struct card *card, const float *embedding) {
    return decision_typical_known(card) &&
           decision_distance(embedding, card->typical.mean, card->embedding_length) <
               card->typical.distance_min;
}
