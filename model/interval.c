/* Wilson (1927): the rates p whose own standard error explains the observed rate p̂,
 *
 *     |p̂ − p| ≤ z √(p (1 − p) ÷ n),
 *
 * solved for p. Unlike p̂ ± z √(p̂ (1 − p̂) ÷ n) it stays within 0…1 and holds for small counts.
 *
 * With no event in n trials, a rate p would have shown none with probability (1 − p)ⁿ ≈ e^(−np),
 * which falls below 5 % at p ≈ 3 ÷ n (−ln 0.05 = 2.996): the rule of three (Hanley and
 * Lippman-Hand 1983).
 */
#include "model/interval.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

static const double Z = 1.959963984540054; /* the 97.5th percentile of the normal distribution */

static struct interval wilson(double events, double trials) {
    double rate = events / trials;
    double scale = 1 + Z * Z / trials;
    double middle = (rate + Z * Z / (2 * trials)) / scale;
    double half = Z * sqrt(rate * (1 - rate) / trials + Z * Z / (4 * trials * trials)) / scale;
    return (struct interval){fmax(0, middle - half), fmin(1, middle + half)};
}

struct interval interval_of_rate(uint64_t events, uint64_t trials) {
    assert(trials > 0 && events <= trials);
    double three = fmin(1, 3 / (double)trials);
    if (events == 0)
        return (struct interval){0, three};
    if (events == trials)
        return (struct interval){1 - three, 1};
    return wilson((double)events, (double)trials);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const double *sorted, size_t count, double part) {
    double place = part * (double)(count - 1);
    size_t below = (size_t)place;
    if (below + 1 >= count)
        return sorted[count - 1];
    return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

struct interval interval_of_confidence(double *values, size_t count, double confidence) {
    assert(count > 0);
    double left_out = (1 - confidence) / 2;
    qsort(values, count, sizeof(*values), by_value);
    return (struct interval){percentile(values, count, left_out),
                             percentile(values, count, 1 - left_out)};
}

struct interval interval_of_replicates(double *values, size_t count) {
    assert(count > 0);
    qsort(values, count, sizeof(*values), by_value);
    return (struct interval){percentile(values, count, 0.025), percentile(values, count, 0.975)};
}
