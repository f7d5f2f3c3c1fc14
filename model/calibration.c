/* Fitting. The curve is straight between KNOTS distances that stand evenly from the one below which
 * only the smallest supported share of impostor pairs lies to the one below which half of them do;
 * beyond these it is constant. It is cut off at the ratios that the smallest supported rates allow:
 * with an FMR known down to 1e-4 no distance is said to be more than 10,000 times likelier for one
 * person than for two. A parametric curve (logistic in the distance, say) would claim certainties
 * that nobody has measured.
 *
 * Its values v at the knots minimise the log loss at prior 0.5,
 *
 *     L(v) = ½ Σ_genuine w ln(1 + e^(−f(d))) + ½ Σ_impostor w ln(1 + e^(f(d))),
 *
 * plus λ times the squares of v's second differences, which keeps neighbouring knots from chasing
 * single people. The minimum of log loss is the likelihood ratio (it is a proper score). f is
 * linear in v with two values for each distance, L is convex, and Newton's method with halved steps
 * finds the minimum; the Hessian is a band matrix, solved by Cholesky's decomposition.
 *
 * Should the values still rise somewhere, neighbours are averaged until none does
 * (pool-adjacent-violators; Ayer and others 1955).
 */
#include "model/calibration.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { KNOTS = CALIBRATION_POINTS, NEWTON_STEPS_MAX = 100, HALVINGS_MAX = 40 };
static const double SMOOTHING = 1e-3; /* λ */
static const double FMR_LAST = 0.5;   /* of the last knot */

struct fit {
    const struct distance_histogram *histogram;
    double first, spacing; /* of the knots */
    double values[KNOTS], gradient[KNOTS], hessian[KNOTS][KNOTS];
};

/* A distance that was rounded down to its bin lies in its middle on average. */
static double middle(const struct distance_histogram *histogram, uint32_t bin) {
    return (bin + 0.5) / histogram->per_unit;
}

/* The knot before a distance, and how far it is on the way to the next (0 … 1). */
static int knot_before(const struct fit *fit, double distance, double *part) {
    double place = (distance - fit->first) / fit->spacing;
    int knot = (int)fmax(0, fmin(floor(place), KNOTS - 2));
    *part = fmax(0, fmin(1, place - knot));
    return knot;
}

/* ln(1 + eˣ) without overflow. */
static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }

static double loss(const struct fit *fit, const double *values) {
    double sum = 0, part;
    for (uint32_t bin = 0; bin < DISTANCE_BINS; bin++) {
        double genuine = fit->histogram->genuine[bin], impostor = fit->histogram->impostor[bin];
        if (genuine + impostor <= 0)
            continue;
        int knot = knot_before(fit, middle(fit->histogram, bin), &part);
        double value = values[knot] + part * (values[knot + 1] - values[knot]);
        sum += (genuine * softplus(-value) + impostor * softplus(value)) / 2;
    }
    for (int i = 1; i + 1 < KNOTS; i++) {
        double bend = values[i - 1] - 2 * values[i] + values[i + 1];
        sum += SMOOTHING * bend * bend;
    }
    return sum;
}

static void add_smoothing(struct fit *fit) {
    static const double pattern[3] = {1, -2, 1};
    for (int i = 1; i + 1 < KNOTS; i++) {
        double bend = fit->values[i - 1] - 2 * fit->values[i] + fit->values[i + 1];
        for (int a = 0; a < 3; a++) {
            fit->gradient[i - 1 + a] += 2 * SMOOTHING * bend * pattern[a];
            for (int b = 0; b < 3; b++)
                fit->hessian[i - 1 + a][i - 1 + b] += 2 * SMOOTHING * pattern[a] * pattern[b];
        }
    }
}

static void differentiate(struct fit *fit) {
    memset(fit->gradient, 0, sizeof(fit->gradient));
    memset(fit->hessian, 0, sizeof(fit->hessian));
    for (uint32_t bin = 0; bin < DISTANCE_BINS; bin++) {
        double genuine = fit->histogram->genuine[bin], impostor = fit->histogram->impostor[bin];
        if (genuine + impostor <= 0)
            continue;
        double part;
        int knot = knot_before(fit, middle(fit->histogram, bin), &part);
        double value = fit->values[knot] + part * (fit->values[knot + 1] - fit->values[knot]);
        double p = 1 / (1 + exp(-value));
        double slope = (impostor * p - genuine * (1 - p)) / 2;
        double curvature = (genuine + impostor) * p * (1 - p) / 2;
        double share[2] = {1 - part, part};
        for (int a = 0; a < 2; a++) {
            fit->gradient[knot + a] += slope * share[a];
            for (int b = 0; b < 2; b++)
                fit->hessian[knot + a][knot + b] += curvature * share[a] * share[b];
        }
    }
    add_smoothing(fit);
}

/* step = hessian⁻¹ gradient. A small multiple of the identity keeps a knot without any pair near it
 * from making the matrix singular. */
static void solve(struct fit *fit, double *step) {
    double(*matrix)[KNOTS] = fit->hessian;
    for (int i = 0; i < KNOTS; i++) {
        matrix[i][i] += 1e-12;
        for (int j = 0; j <= i; j++) {
            double sum = matrix[i][j];
            for (int k = 0; k < j; k++)
                sum -= matrix[i][k] * matrix[j][k];
            matrix[i][j] = i == j ? sqrt(fmax(sum, 1e-15)) : sum / matrix[j][j];
        }
    }
    for (int i = 0; i < KNOTS; i++) {
        step[i] = fit->gradient[i];
        for (int k = 0; k < i; k++)
            step[i] -= matrix[i][k] * step[k];
        step[i] /= matrix[i][i];
    }
    for (int i = KNOTS - 1; i >= 0; i--) {
        for (int k = i + 1; k < KNOTS; k++)
            step[i] -= matrix[k][i] * step[k];
        step[i] /= matrix[i][i];
    }
}

static void minimise(struct fit *fit) {
    double now = loss(fit, fit->values);
    for (int n = 0; n < NEWTON_STEPS_MAX; n++) {
        double step[KNOTS], tried[KNOTS], then = now, size = 1;
        differentiate(fit);
        solve(fit, step);
        for (int halving = 0; halving < HALVINGS_MAX; halving++, size /= 2) {
            for (int i = 0; i < KNOTS; i++)
                tried[i] = fit->values[i] - size * step[i];
            then = loss(fit, tried);
            if (then < now)
                break;
        }
        if (!(then < now))
            return;
        memcpy(fit->values, tried, sizeof(tried));
        if (now - then < 1e-14)
            return;
        now = then;
    }
}

/* Values that never rise: runs that do are replaced by their mean. */
static void make_monotone(double *values) {
    struct {
        double sum;
        int count;
    } runs[KNOTS];
    int kept = 0;
    for (int i = 0; i < KNOTS; i++) {
        runs[kept].sum = values[i];
        runs[kept++].count = 1;
        while (kept > 1 && runs[kept - 2].sum / runs[kept - 2].count <
                               runs[kept - 1].sum / runs[kept - 1].count) {
            runs[kept - 2].sum += runs[kept - 1].sum;
            runs[kept - 2].count += runs[kept - 1].count;
            kept--;
        }
    }
    for (int run = 0, i = 0; run < kept; run++)
        for (int n = 0; n < runs[run].count; n++)
            values[i++] = runs[run].sum / runs[run].count;
}

enum status calibration_fit(const struct distance_histogram *histogram, double impostor_min,
                            double genuine_min, struct calibration *calibration,
                            struct error *err) {
    assert(impostor_min > 0 && genuine_min > 0);
    uint32_t from = distance_histogram_threshold(histogram, impostor_min);
    uint32_t to = distance_histogram_threshold(histogram, FMR_LAST);
    if (to < from + KNOTS || impostor_min >= FMR_LAST || genuine_min >= 1)
        return error_set(err, STATUS_INVALID_FIELD, "too few pairs to calibrate with");
    struct fit fit = {.histogram = histogram, .first = from / histogram->per_unit};
    fit.spacing = (to / histogram->per_unit - fit.first) / (KNOTS - 1);
    for (int i = 0; i < KNOTS; i++)
        fit.values[i] = 4 - 8.0 * i / (KNOTS - 1);
    minimise(&fit);
    make_monotone(fit.values);
    calibration->count = KNOTS;
    for (int i = 0; i < KNOTS; i++)
        calibration->points[i] = (struct calibration_point){
            fit.first + i * fit.spacing,
            fmax(log(genuine_min), fmin(-log(impostor_min), fit.values[i]))};
    return STATUS_OK;
}

double calibration_llr(const struct calibration *calibration, double distance) {
    assert(calibration->count > 0);
    const struct calibration_point *points = calibration->points;
    size_t next = 0;
    while (next < calibration->count && points[next].distance < distance)
        next++;
    if (next == 0)
        return points[0].llr;
    if (next == calibration->count)
        return points[next - 1].llr;
    double part = (distance - points[next - 1].distance) /
                  (points[next].distance - points[next - 1].distance);
    return points[next - 1].llr + part * (points[next].llr - points[next - 1].llr);
}

double calibration_probability(double llr, double prior) {
    assert(prior >= 0 && prior <= 1);
    return 1 / (1 + exp(-(llr + log(prior) - log1p(-prior))));
}

/* ---- checking ---- */

/* Entropy of a yes-or-no that is yes with mass `yes` out of yes + no, times that mass. */
static double surprise(double yes, double no) {
    double all = yes + no;
    return -(yes > 0 ? yes * log(yes / all) : 0) - (no > 0 ? no * log(no / all) : 0);
}

static double two_valued(const struct distance_histogram *histogram, double threshold) {
    uint32_t limit = (uint32_t)fmin(round(threshold * histogram->per_unit), DISTANCE_BINS);
    double fmr = distance_histogram_fmr(histogram, limit);
    double fnmr = distance_histogram_fnmr(histogram, limit);
    return (surprise(1 - fnmr, fmr) + surprise(fnmr, 1 - fmr)) / 2;
}

void calibration_check(const struct calibration *calibration,
                       const struct distance_histogram *histogram, double threshold,
                       struct calibration_quality *quality) {
    memset(quality, 0, sizeof(*quality));
    double before = 0;
    for (uint32_t bin = 0; bin < DISTANCE_BINS; bin++) {
        double genuine = histogram->genuine[bin] / 2, impostor = histogram->impostor[bin] / 2;
        double here = genuine + impostor;
        if (here <= 0)
            continue;
        double llr = calibration_llr(calibration, middle(histogram, bin));
        double probability = calibration_probability(llr, 0.5);
        int place = (int)fmin((before + here / 2) * CALIBRATION_BINS, CALIBRATION_BINS - 1);
        quality->bins[place].mass += here;
        quality->bins[place].predicted += here * probability;
        quality->bins[place].observed += genuine;
        quality->log_loss += genuine * softplus(-llr) + impostor * softplus(llr);
        before += here;
    }
    for (int i = 0; i < CALIBRATION_BINS; i++) {
        double share = quality->bins[i].mass;
        if (share <= 0)
            continue;
        quality->error += fabs(quality->bins[i].predicted - quality->bins[i].observed);
        quality->bins[i].predicted /= share;
        quality->bins[i].observed /= share;
    }
    quality->two_valued_log_loss = two_valued(histogram, threshold);
}
