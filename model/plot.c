/* Four panels of 360 × 300 in a picture of 800 × 700. A panel maps data to its box by two axes,
 * each linear or logarithmic; what lies outside an axis is drawn at its edge, so that a rate of 0
 * shows at the bottom of a logarithmic axis instead of vanishing. Text is drawn in the viewer's own
 * font, and colours read on white and on dark pages alike because the picture brings its own white
 * ground. */
#include "model/plot.h"

#include "model/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { WIDTH = 360, HEIGHT = 280, COLUMNS = 96, TICKS_MAX = 6 };
static const char GENUINE[] = "#1b7837", IMPOSTOR[] = "#b2182b", LINE[] = "#2166ac";
static const double RATE_MIN = 1e-5;

struct axis {
    double low, high;
    bool logarithmic;
    const char *name;
};

struct panel {
    FILE *out;
    double left, top;
    struct axis x, y;
};

static double part(const struct axis *axis, double value) {
    double clipped = fmax(axis->low, fmin(axis->high, value));
    if (axis->logarithmic)
        return log(clipped / axis->low) / log(axis->high / axis->low);
    return (clipped - axis->low) / (axis->high - axis->low);
}

static double at_x(const struct panel *panel, double value) {
    return panel->left + part(&panel->x, value) * WIDTH;
}
static double at_y(const struct panel *panel, double value) {
    return panel->top + (1 - part(&panel->y, value)) * HEIGHT;
}

static void write_escaped(FILE *out, const char *text) {
    for (; *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        default:
            if ((unsigned char)*text >= 0x20)
                fputc(*text, out);
        }
    }
}

static void write_text(const struct panel *panel, double x, double y, const char *anchor,
                       const char *text) {
    fprintf(panel->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    write_escaped(panel->out, text);
    fputs("</text>\n", panel->out);
}

/* ---- axes ---- */

/* Small powers of ten as 1e-5, where %g would say 1e-05 beside 0.0001. */
static void write_label(const struct axis *axis, double value, char *label, size_t size) {
    if (axis->logarithmic && value < 0.009)
        snprintf(label, size, "1e%.0f", log10(value));
    else
        snprintf(label, size, "%.6g", value);
}

static void draw_tick(const struct panel *panel, const struct axis *axis, double value) {
    char label[32];
    write_label(axis, value, label, sizeof(label));
    bool horizontal = axis == &panel->x;
    double x = horizontal ? at_x(panel, value) : panel->left;
    double y = horizontal ? panel->top + HEIGHT : at_y(panel, value);
    fprintf(panel->out, "<path class=\"grid\" d=\"M%.1f %.1f%c%.1f\"/>\n", x, y,
            horizontal ? 'V' : 'H', horizontal ? panel->top : panel->left + WIDTH);
    if (horizontal)
        write_text(panel, x, y + 14, "middle", label);
    else
        write_text(panel, x - 5, y + 4, "end", label);
}

/* The smallest of 1, 2 and 5 times a power of ten that cuts a linear axis, which begins at 0, into
 * at most TICKS_MAX parts. */
static double tick_step(const struct axis *axis) {
    double least = axis->high / TICKS_MAX, power = pow(10, floor(log10(least)));
    double part = least / power * (1 - 1e-9); /* 0.2 ÷ 0.1 may come out above 2 */
    return power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

static void draw_axis(const struct panel *panel, const struct axis *axis) {
    double value = axis->low, step = axis->logarithmic ? 10 : tick_step(axis);
    for (int i = 1; value <= axis->high * 1.001; i++) {
        draw_tick(panel, axis, value);
        value = axis->logarithmic ? value * step : i * step;
    }
}

static void open_panel(const struct panel *panel, const char *title) {
    draw_axis(panel, &panel->x);
    draw_axis(panel, &panel->y);
    fprintf(panel->out,
            "<rect class=\"frame\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\"/>\n",
            panel->left, panel->top, WIDTH, HEIGHT);
    write_text(panel, panel->left, panel->top - 8, "start", title);
    write_text(panel, panel->left + WIDTH, panel->top + HEIGHT + 28, "end", panel->x.name);
}

/* ---- ROC and DET ---- */

static void begin_curve(const struct panel *panel) { fputs("<path d=\"", panel->out); }
static void add_point(const struct panel *panel, bool first, double x, double y) {
    fprintf(panel->out, "%c%.2f %.2f", first ? 'M' : 'L', at_x(panel, x), at_y(panel, y));
}
static void end_curve(const struct panel *panel, const char *colour, const char *fill) {
    fprintf(panel->out, "\" stroke=\"%s\" fill=\"%s\"/>\n", colour, fill);
}

/* y = FNMR, or 1 − FNMR for the ROC; the band is FNMR's interval at each threshold. */
static void draw_rates(const struct panel *panel, const struct plot *plot, bool roc) {
    const struct error_rates *rates = plot->rates;
    begin_curve(panel);
    for (size_t i = 0; i < rates->count; i++) {
        double high = rates->points[i].fnmr_interval.high;
        add_point(panel, i == 0, rates->points[i].fmr, roc ? 1 - high : high);
    }
    for (size_t i = rates->count; i-- > 0;) {
        double low = rates->points[i].fnmr_interval.low;
        add_point(panel, false, rates->points[i].fmr, roc ? 1 - low : low);
    }
    end_curve(panel, "none", "#2166ac33");
    begin_curve(panel);
    for (size_t i = 0; i < rates->count; i++) {
        double fnmr = rates->points[i].fnmr;
        add_point(panel, i == 0, rates->points[i].fmr, roc ? 1 - fnmr : fnmr);
    }
    end_curve(panel, LINE, "none");
    if (plot->threshold <= 0)
        return;
    struct error_rates_point point = error_rates_at(rates, plot->threshold);
    fprintf(panel->out, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"4\" fill=\"%s\"/>\n",
            at_x(panel, point.fmr), at_y(panel, roc ? 1 - point.fnmr : point.fnmr), IMPOSTOR);
}

static void draw_roc(FILE *out, const struct plot *plot) {
    const struct panel panel = {
        out, 60, 60, {RATE_MIN, 1, true, "false-match rate"}, {0, 1, false, ""}};
    open_panel(&panel, "ROC: true-match rate");
    draw_rates(&panel, plot, true);
}

static void draw_det(FILE *out, const struct plot *plot) {
    const struct panel panel = {
        out, 480, 60, {RATE_MIN, 1, true, "false-match rate"}, {1e-4, 1, true, ""}};
    open_panel(&panel, "DET: false-non-match rate");
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

static void draw_columns(const struct panel *panel, const double *heights, const char *colour) {
    begin_curve(panel);
    for (int i = 0; i < COLUMNS; i++) {
        double width = panel->x.high / COLUMNS;
        if (i == 0)
            add_point(panel, true, 0, 0);
        add_point(panel, false, i * width, heights[i]);
        add_point(panel, false, (i + 1) * width, heights[i]);
    }
    add_point(panel, false, panel->x.high, 0);
    end_curve(panel, colour, colour);
}

static void draw_threshold(const struct panel *panel, double threshold) {
    char label[48];
    double x = at_x(panel, threshold);
    snprintf(label, sizeof(label), "threshold %.6g", threshold);
    fprintf(panel->out, "<path class=\"frame\" d=\"M%.1f %.1fV%.1f\"/>\n", x, panel->top,
            panel->top + HEIGHT);
    write_text(panel, x + 5, panel->top + 14, "start", label);
}

static void draw_distances(FILE *out, const struct plot *plot) {
    double genuine[COLUMNS], impostor[COLUMNS];
    uint32_t used = bins_used(plot->histogram);
    double highest = fmax(gather(plot->histogram->genuine, used, genuine),
                          gather(plot->histogram->impostor, used, impostor));
    const struct panel panel = {out,
                                60,
                                410,
                                {0, used / plot->histogram->per_unit, false, "distance"},
                                {0, 1.08 * highest, false, ""}};
    open_panel(&panel, "Distances: one person (green), two people (red)");
    fputs("<g fill-opacity=\"0.35\">\n", out);
    draw_columns(&panel, genuine, GENUINE);
    draw_columns(&panel, impostor, IMPOSTOR);
    fputs("</g>\n", out);
    if (plot->threshold > 0)
        draw_threshold(&panel, plot->threshold);
}

/* ---- reliability ---- */

static void draw_reliability(FILE *out, const struct plot *plot) {
    const struct panel panel = {
        out, 480, 410, {0, 1, false, "predicted probability, prior 0.5"}, {0, 1, false, ""}};
    open_panel(&panel, "Reliability: share of pairs that are one person");
    begin_curve(&panel);
    add_point(&panel, true, 0, 0);
    add_point(&panel, false, 1, 1);
    end_curve(&panel, "#999", "none");
    if (!plot->calibration) {
        write_text(&panel, panel.left + WIDTH / 2.0, panel.top + HEIGHT / 2.0, "middle",
                   "not calibrated");
        return;
    }
    for (int i = 0; i < CALIBRATION_BINS; i++)
        if (plot->calibration->bins[i].mass > 0)
            fprintf(out, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"4\" fill=\"%s\"/>\n",
                    at_x(&panel, plot->calibration->bins[i].predicted),
                    at_y(&panel, plot->calibration->bins[i].observed), LINE);
}

/* ---- the picture ---- */

static void draw(FILE *out, const struct plot *plot) {
    fputs("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"880\" height=\"740\" "
          "viewBox=\"0 0 880 740\" font-family=\"sans-serif\" font-size=\"11\">\n"
          "<style>.grid{stroke:#ddd;fill:none}.frame{stroke:#555;fill:none}"
          "path{stroke-width:1.5}.grid,.frame{stroke-width:1}</style>\n"
          "<rect width=\"880\" height=\"740\" fill=\"#fff\"/>\n"
          "<text x=\"60\" y=\"26\" font-size=\"15\">",
          out);
    write_escaped(out, plot->title);
    fputs("</text>\n", out);
    draw_roc(out, plot);
    draw_det(out, plot);
    draw_distances(out, plot);
    draw_reliability(out, plot);
    fputs("</svg>\n", out);
}

enum status plot_write(const char *path, const struct plot *plot, struct error *err) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    draw(out, plot);
    bool well = !ferror(out);
    well = fclose(out) == 0 && well;
    enum status status =
        well ? file_write(path, text, size, err) : error_set(err, STATUS_INTERNAL, "out of memory");
    free(text);
    return status;
}
