/* The points of the curve are chosen from the data: where FMR passes 16 levels a decade, from 1
 * down to one pair in all, and where FNMR does; the whole decades are among them, and so the
 * operating points are points of the curve. About 200 points describe it to better than a line's
 * width. */
#include "model/error_rates.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { LEVELS_A_DECADE = 16, FMR_LEVELS_MAX = 7 * 16, FNMR_LEVELS_MAX = 4 * 16 };
static const double FACTOR_MAX = 3;

static double level(int step) {
    /* Whole decades exactly: 10^(−1) is not 0.1 in every C library. */
    static const double decades[] = {1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7};
    return step % LEVELS_A_DECADE == 0 ? decades[step / LEVELS_A_DECADE]
                                       : pow(10, -(double)step / LEVELS_A_DECADE);
}

static int by_number(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Rising, each once; at most ERROR_RATES_POINTS_MAX. */
static uint32_t choose_thresholds(const struct distance_histogram *histogram,
                                  const struct error_rates_extra *extra,
                                  uint32_t thresholds[ERROR_RATES_POINTS_MAX]) {
    static_assert((int)FMR_LEVELS_MAX + (int)FNMR_LEVELS_MAX + 4 + (int)ERROR_RATES_EXTRA_MAX <=
                      (int)ERROR_RATES_POINTS_MAX,
                  "room");
    static_assert((int)ERROR_RATES_POINTS_MAX <= (int)ALL_PAIRS_THRESHOLDS_MAX, "room");
    double pairs = histogram->people ? (double)histogram->people * (histogram->people - 1) / 2
                                     : (double)histogram->impostor_pairs;
    uint32_t count = 0;
    thresholds[count++] = 1;
    thresholds[count++] = DISTANCE_BINS;
    for (size_t i = 0; i < extra->count; i++)
        thresholds[count++] =
            (uint32_t)fmin(round(extra->thresholds[i] * histogram->per_unit), DISTANCE_BINS);
    for (int step = 0; step <= FMR_LEVELS_MAX && level(step) >= 1 / pairs; step++)
        thresholds[count++] = distance_histogram_threshold(histogram, level(step));
    for (int step = 0; step <= FNMR_LEVELS_MAX; step++)
        thresholds[count++] = distance_histogram_threshold_of_fnmr(histogram, level(step));
    qsort(thresholds, count, sizeof(*thresholds), by_number);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (thresholds[i] > 0 && (kept == 0 || thresholds[i] != thresholds[kept - 1]))
            thresholds[kept++] = thresholds[i];
    return kept;
}

static void fill_rates(const struct distance_histogram *histogram, const uint32_t *thresholds,
                       uint32_t count, struct error_rates *rates) {
    double accepted = 0;
    uint32_t bin = 0;
    rates->count = count;
    for (uint32_t i = 0; i < count; i++) {
        for (; bin < thresholds[i]; bin++)
            accepted += histogram->impostor[bin];
        rates->points[i].threshold = thresholds[i] / histogram->per_unit;
        rates->points[i].fmr = fmin(1, accepted);
        rates->points[i].fnmr = distance_histogram_fnmr(histogram, thresholds[i]);
    }
}

enum status error_rates_of_gallery(const struct gallery *gallery,
                                   const struct distance_histogram *histogram,
                                   const struct bootstrap_options *options,
                                   const struct error_rates_extra *extra, struct error_rates *rates,
                                   struct error *err) {
    uint32_t thresholds[ERROR_RATES_POINTS_MAX];
    struct interval fmr[ERROR_RATES_POINTS_MAX], fnmr[ERROR_RATES_POINTS_MAX];
    struct all_pairs_shares shares;
    uint32_t count = choose_thresholds(histogram, extra, thresholds);
    enum status status =
        all_pairs_share_out(gallery, thresholds, count, &options->crew, &shares, err);
    if (status != STATUS_OK)
        return status;
    status = bootstrap_people(&shares, options, fmr, fnmr, err);
    all_pairs_shares_release(&shares);
    if (status != STATUS_OK)
        return status;
    fill_rates(histogram, thresholds, count, rates);
    for (uint32_t i = 0; i < count; i++) {
        rates->points[i].fmr_interval = fmr[i];
        rates->points[i].fnmr_interval = fnmr[i];
    }
    return STATUS_OK;
}

static struct interval independent(double rate, uint64_t trials) {
    return interval_of_rate((uint64_t)llround(rate * (double)trials), trials);
}

void error_rates_of_pairs(const struct distance_histogram *histogram,
                          const struct error_rates_extra *extra, struct error_rates *rates) {
    uint32_t thresholds[ERROR_RATES_POINTS_MAX];
    uint32_t count = choose_thresholds(histogram, extra, thresholds);
    fill_rates(histogram, thresholds, count, rates);
    for (uint32_t i = 0; i < count; i++) {
        struct error_rates_point *point = &rates->points[i];
        point->fmr_interval = independent(point->fmr, histogram->impostor_pairs);
        point->fnmr_interval = independent(point->fnmr, histogram->genuine_pairs);
    }
}

/* ---- reading the curve ---- */

static bool within_factor(double rate, struct interval interval) {
    return interval.low >= rate / FACTOR_MAX && interval.high <= rate * FACTOR_MAX;
}

size_t error_rates_operating_points(const struct error_rates *rates,
                                    struct operating_point points[OPERATING_POINTS_MAX]) {
    size_t count = 0;
    for (int decade = 1; decade * LEVELS_A_DECADE <= FMR_LEVELS_MAX; decade++) {
        double fmr = level(decade * LEVELS_A_DECADE);
        const struct error_rates_point *best = NULL;
        for (size_t i = 0; i < rates->count; i++)
            if (distance_rate_within(rates->points[i].fmr, fmr))
                best = &rates->points[i];
        if (!best || !within_factor(fmr, best->fmr_interval) ||
            (count > 0 && best->threshold >= points[count - 1].measured.threshold))
            break;
        points[count++] = (struct operating_point){fmr, *best};
    }
    return count;
}

double error_rates_smallest_fnmr(const struct error_rates *rates) {
    double smallest = 1;
    for (size_t i = 0; i < rates->count; i++) {
        const struct error_rates_point *point = &rates->points[i];
        if (point->fnmr <= 0 || !within_factor(point->fnmr, point->fnmr_interval))
            break;
        smallest = point->fnmr;
    }
    return smallest;
}

static double between(double from, double to, double part) { return from + part * (to - from); }

struct error_rates_point error_rates_at(const struct error_rates *rates, double threshold) {
    assert(rates->count > 0);
    size_t next = 0;
    while (next < rates->count && rates->points[next].threshold < threshold)
        next++;
    struct error_rates_point result = rates->points[next < rates->count ? next : next - 1];
    if (next > 0 && next < rates->count) {
        const struct error_rates_point *from = &rates->points[next - 1], to = result;
        double part = (threshold - from->threshold) / (to.threshold - from->threshold);
        result.fmr = between(from->fmr, to.fmr, part);
        result.fnmr = between(from->fnmr, to.fnmr, part);
        result.fmr_interval.low = between(from->fmr_interval.low, to.fmr_interval.low, part);
        result.fmr_interval.high = between(from->fmr_interval.high, to.fmr_interval.high, part);
        result.fnmr_interval.low = between(from->fnmr_interval.low, to.fnmr_interval.low, part);
        result.fnmr_interval.high = between(from->fnmr_interval.high, to.fnmr_interval.high, part);
    }
    result.threshold = threshold;
    return result;
}
