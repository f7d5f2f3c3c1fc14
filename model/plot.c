/* Four panels. */
#include "model/plot.h"

#include "model/plot_panel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { COLUMNS = 96 };
static const char GENUINE[] = "#1b7837", IMPOSTOR[] = "#b2182b", LINE[] = "#2166ac";
static const double RATE_MIN = 1e-5;

/* ---- ROC and DET ---- */

/* y = FNMR, or 1 − FNMR for the ROC; the band is FNMR's interval at each threshold. */
static void draw_rates(const struct plot_panel *panel, const struct plot *plot, bool roc) {
    const struct error_rates *rates = plot->rates;
    plot_curve_begin(panel);
    for (size_t i = 0; i < rates->count; i++) {
        double high = rates->points[i].fnmr_interval.high;
        plot_curve_point(panel, i == 0, rates->points[i].fmr, roc ? 1 - high : high);
    }
    for (size_t i = rates->count; i-- > 0;) {
        double low = rates->points[i].fnmr_interval.low;
        plot_curve_point(panel, false, rates->points[i].fmr, roc ? 1 - low : low);
    }
    plot_curve_end(panel, "none", "#2166ac33");
    plot_curve_begin(panel);
    for (size_t i = 0; i < rates->count; i++) {
        double fnmr = rates->points[i].fnmr;
        plot_curve_point(panel, i == 0, rates->points[i].fmr, roc ? 1 - fnmr : fnmr);
    }
    plot_curve_end(panel, LINE, "none");
    if (plot->threshold <= 0)
        return;
    struct error_rates_point point = error_rates_at(rates, plot->threshold);
    fprintf(panel->out, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"4\" fill=\"%s\"/>\n",
            plot_x(panel, point.fmr), plot_y(panel, roc ? 1 - point.fnmr : point.fnmr), IMPOSTOR);
}

static void draw_roc(FILE *out, const struct plot *plot) {
    const struct plot_panel panel = {
        out, 60, 60, {RATE_MIN, 1, true, "false-match rate"}, {0, 1, false, ""}};
    plot_panel_open(&panel, "ROC: true-match rate");
    draw_rates(&panel, plot, true);
}

static void draw_det(FILE *out, const struct plot *plot) {
    const struct plot_panel panel = {
        out, 480, 60, {RATE_MIN, 1, true, "false-match rate"}, {1e-4, 1, true, ""}};
    plot_panel_open(&panel, "DET: false-non-match rate");
    draw_rates(&panel, plot, false);
}

/* ---- distances ---- */

/* The last bin in use of either kind, and one. */
static uint32_t bins_used(const struct distance_histogram *histogram) {
    uint32_t used = DISTANCE_BINS;
    while (used > 1 && histogram->genuine[used - 1] <= 0 && histogram->impostor[used - 1] <= 0)
        used--;
    return used;
}

/* heights (COLUMNS): shares of a kind in columns of equal width. Returns the highest. */
static double gather(const double *bins, uint32_t used, double *heights) {
    double highest = 0;
    for (int i = 0; i < COLUMNS; i++)
        heights[i] = 0;
    for (uint32_t bin = 0; bin < used; bin++)
        heights[(uint64_t)bin * COLUMNS / used] += bins[bin];
    for (int i = 0; i < COLUMNS; i++)
        highest = fmax(highest, heights[i]);
    return highest;
}

static void draw_columns(const struct plot_panel *panel, const double *heights,
                         const char *colour) {
    plot_curve_begin(panel);
    for (int i = 0; i < COLUMNS; i++) {
        double width = panel->x.high / COLUMNS;
        if (i == 0)
            plot_curve_point(panel, true, 0, 0);
        plot_curve_point(panel, false, i * width, heights[i]);
        plot_curve_point(panel, false, (i + 1) * width, heights[i]);
    }
    plot_curve_point(panel, false, panel->x.high, 0);
    plot_curve_end(panel, colour, colour);
}

static void draw_threshold(const struct plot_panel *panel, double threshold) {
    char label[48];
    double x = plot_x(panel, threshold);
    snprintf(label, sizeof(label), "threshold %.6g", threshold);
    fprintf(panel->out, "<path class=\"frame\" d=\"M%.1f %.1fV%.1f\"/>\n", x, panel->top,
            panel->top + PLOT_HEIGHT);
    plot_text(panel, x + 5, panel->top + 14, "start", label);
}

static void draw_distances(FILE *out, const struct plot *plot) {
    double genuine[COLUMNS], impostor[COLUMNS];
    uint32_t used = bins_used(plot->histogram);
    double highest = fmax(gather(plot->histogram->genuine, used, genuine),
                          gather(plot->histogram->impostor, used, impostor));
    const struct plot_panel panel = {out,
                                     60,
                                     410,
                                     {0, used / plot->histogram->per_unit, false, "distance"},
                                     {0, 1.08 * highest, false, ""}};
    plot_panel_open(&panel, "Distances: one person (green), two people (red)");
    fputs("<g fill-opacity=\"0.35\">\n", out);
    draw_columns(&panel, genuine, GENUINE);
    draw_columns(&panel, impostor, IMPOSTOR);
    fputs("</g>\n", out);
    if (plot->threshold > 0)
        draw_threshold(&panel, plot->threshold);
}

/* ---- reliability ---- */

static void draw_reliability(FILE *out, const struct plot *plot) {
    const struct plot_panel panel = {
        out, 480, 410, {0, 1, false, "predicted probability, prior 0.5"}, {0, 1, false, ""}};
    plot_panel_open(&panel, "Reliability: share of pairs that are one person");
    plot_curve_begin(&panel);
    plot_curve_point(&panel, true, 0, 0);
    plot_curve_point(&panel, false, 1, 1);
    plot_curve_end(&panel, "#999", "none");
    if (!plot->calibration) {
        plot_text(&panel, panel.left + PLOT_WIDTH / 2.0, panel.top + PLOT_HEIGHT / 2.0, "middle",
                  "not calibrated");
        return;
    }
    for (int i = 0; i < CALIBRATION_BINS; i++)
        if (plot->calibration->bins[i].mass > 0)
            fprintf(out, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"4\" fill=\"%s\"/>\n",
                    plot_x(&panel, plot->calibration->bins[i].predicted),
                    plot_y(&panel, plot->calibration->bins[i].observed), LINE);
}

/* ---- the picture ---- */

static void draw(FILE *out, const void *context) {
    const struct plot *plot = context;
    draw_roc(out, plot);
    draw_det(out, plot);
    draw_distances(out, plot);
    draw_reliability(out, plot);
}

enum status plot_write(const char *path, const struct plot *plot, struct error *err) {
    const struct plot_picture picture = {880, 740, plot->title, draw, plot};
    return plot_picture_write(path, &picture, err);
}
