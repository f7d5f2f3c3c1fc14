#include "model/distance_histogram.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rounding must not carry the longest distance past the last bin. */
static const double SLACK = 1 + 1e-9;

double distance_resolution(double longest) {
    assert(isfinite(longest) && longest >= 0);
    double finest = DISTANCE_BINS / (fmax(longest, 1e-30) * SLACK);
    double power = pow(10, floor(log10(finest)));
    double per_unit = power * (5 * power < finest ? 5 : 2 * power < finest ? 2 : 1);
    return per_unit < 1 || per_unit > 1e15 ? per_unit : round(per_unit);
}

enum status distance_histogram_create(double per_unit, struct distance_histogram *histogram,
                                      struct error *err) {
    memset(histogram, 0, sizeof(*histogram));
    histogram->per_unit = per_unit;
    histogram->genuine = calloc(2 * DISTANCE_BINS, sizeof(double));
    if (!histogram->genuine)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    histogram->impostor = histogram->genuine + DISTANCE_BINS;
    return STATUS_OK;
}

void distance_histogram_release(struct distance_histogram *histogram) {
    free(histogram->genuine);
    memset(histogram, 0, sizeof(*histogram));
}

static double sum(const double *bins, uint32_t begin, uint32_t end) {
    double total = 0;
    for (uint32_t i = begin; i < end; i++)
        total += bins[i];
    return fmin(total, 1);
}

double distance_histogram_fmr(const struct distance_histogram *histogram, uint32_t threshold) {
    return sum(histogram->impostor, 0, threshold);
}

double distance_histogram_fnmr(const struct distance_histogram *histogram, uint32_t threshold) {
    return sum(histogram->genuine, threshold, DISTANCE_BINS);
}

uint32_t distance_histogram_threshold(const struct distance_histogram *histogram, double fmr) {
    double accepted = 0;
    uint32_t threshold = 0;
    for (; threshold < DISTANCE_BINS; threshold++) {
        accepted += histogram->impostor[threshold];
        if (!distance_rate_within(accepted, fmr))
            break;
    }
    return threshold;
}

uint32_t distance_histogram_threshold_of_fnmr(const struct distance_histogram *histogram,
                                              double fnmr) {
    double refused = 0;
    uint32_t threshold = DISTANCE_BINS;
    while (threshold > 0 && distance_rate_within(refused + histogram->genuine[threshold - 1], fnmr))
        refused += histogram->genuine[--threshold];
    return threshold;
}
