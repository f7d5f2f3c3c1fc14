/* Error rates as a curve over the threshold, with 95 % intervals, and the operating points that the
 * data supports.
 *
 * FMR, the false-match rate: the share of pairs of two people that are accepted. FNMR, the
 * false-non-match rate: the share of pairs of one person that are refused (ISO/IEC 19795-1). For
 * all-pairs measurements shares are weighted as model/all_pairs.h tells and the intervals come from
 * a bootstrap over people; for a list of independent pairs they are Wilson's.
 */
#ifndef FACEPAIR_MODEL_ERROR_RATES_H
#define FACEPAIR_MODEL_ERROR_RATES_H

#include "model/bootstrap.h"
#include "model/distance_histogram.h"
#include "model/gallery.h"
#include "model/interval.h"

#include <stdbool.h>

enum { ERROR_RATES_POINTS_MAX = 256, ERROR_RATES_EXTRA_MAX = 20, OPERATING_POINTS_MAX = 9 };

struct error_rates_point {
    double threshold, fmr, fnmr;
    struct interval fmr_interval, fnmr_interval;
};

/* By rising threshold, from one that refuses all to one that accepts all. */
struct error_rates {
    size_t count; /* at least 2 once measured */
    struct error_rates_point points[ERROR_RATES_POINTS_MAX];
};

/* A rate asked for, and what was measured at the largest threshold that keeps to it. */
struct operating_point {
    double fmr;
    struct error_rates_point measured;
};

struct error_rates_extra {
    size_t count;
    double thresholds[ERROR_RATES_EXTRA_MAX];
};

/* The curve of a gallery whose histogram all_pairs_measure made. The thresholds of
 * `extra` are to be points too, rounded to a bin. */
enum status error_rates_of_gallery(const struct gallery *gallery,
                                   const struct distance_histogram *histogram,
                                   const struct bootstrap_options *options,
                                   const struct error_rates_extra *extra, struct error_rates *rates,
                                   struct error *err);
/* The curve of independent pairs, each of weight 1 ÷ pairs of its kind. */
void error_rates_of_pairs(const struct distance_histogram *histogram,
                          const struct error_rates_extra *extra, struct error_rates *rates);

/* FMR 1e-1, 1e-2, …: the last one is the smallest whose interval lies within a factor of 3 of it to
 * both sides. Returns how many there are. */
size_t error_rates_operating_points(const struct error_rates *rates,
                                    struct operating_point points[OPERATING_POINTS_MAX]);
/* The smallest FNMR of the curve whose interval is as narrow; 1 when there is none. */
double error_rates_smallest_fnmr(const struct error_rates *rates);

/* At any threshold: on straight lines between the points, as they are at both ends. */
struct error_rates_point error_rates_at(const struct error_rates *rates, double threshold);

#endif
