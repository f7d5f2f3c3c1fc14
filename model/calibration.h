/* From a distance to how much likelier it makes one person than two.
 *
 * The log-likelihood ratio (natural logarithm) of a distance d is ln p(d | one person) ÷
 * p(d | two people), both classes weighted equally; it never rises with the distance. With a prior
 * probability π that the pair is one person, the probability is 1 ÷ (1 + e^−(llr + ln π ÷ (1 −
 * π))).
 */
#ifndef FACEPAIR_MODEL_CALIBRATION_H
#define FACEPAIR_MODEL_CALIBRATION_H

#include "model/distance_histogram.h"

enum { CALIBRATION_POINTS = 16, CALIBRATION_POINTS_MAX = 64, CALIBRATION_BINS = 15 };

struct calibration {
    size_t count; /* 0: none */
    struct calibration_point {
        double distance, llr; /* rising, falling */
    } points[CALIBRATION_POINTS_MAX];
};

/* impostor_min, genuine_min: the smallest rates that the data supports; ratios beyond 1 ÷
 * impostor_min and below genuine_min are not claimed. STATUS_INVALID_FIELD when that leaves nothing
 * to fit. */
enum status calibration_fit(const struct distance_histogram *histogram, double impostor_min,
                            double genuine_min, struct calibration *calibration, struct error *err);
/* On straight lines between the points, constant beyond the first and the last: never more certain
 * than what was measured. calibration->count > 0. */
double calibration_llr(const struct calibration *calibration, double distance);
/* prior: 0 … 1; at 0 and 1 the answer is known before. */
double calibration_probability(double llr, double prior);

/* How well the probabilities at prior 0.5 hold for pairs of other people. */
struct calibration_quality {
    /* Σ share × |mean probability − share of genuine pairs| over 15 bins of equal mass. */
    double error;
    double log_loss; /* natural logarithm, both classes weighted equally */
    /* Of the predictor that knows only whether the distance is below a threshold, with the
     * probabilities that fit these very pairs best. */
    double two_valued_log_loss;
    struct {
        double mass, predicted, observed;
    } bins[CALIBRATION_BINS];
};
void calibration_check(const struct calibration *calibration,
                       const struct distance_histogram *histogram, double threshold,
                       struct calibration_quality *quality);

#endif
