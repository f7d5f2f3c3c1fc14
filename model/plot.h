/* One picture of a measurement, as SVG: ROC and DET with their intervals, the distances of both
 * kinds, and, for a calibrated model, how well its probabilities hold. */
#ifndef FACEPAIR_MODEL_PLOT_H
#define FACEPAIR_MODEL_PLOT_H

#include "model/calibration.h"
#include "model/error_rates.h"

struct plot {
    const char *title; /* any text */
    const struct error_rates *rates;
    const struct distance_histogram *histogram;
    const struct calibration_quality *calibration; /* NULL: the fourth panel says so */
    double threshold;                              /* marked; 0: none */
};

/* Writes the file anew, whole. STATUS_INTERNAL; err names it. */
enum status plot_write(const char *path, const struct plot *plot, struct error *err);

#endif
