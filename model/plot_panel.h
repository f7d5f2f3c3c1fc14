/* A panel of an SVG picture: a box with two axes, each linear or logarithmic, and curves in it.
 * What lies outside an axis is drawn at its edge, so that a rate of 0 shows at the bottom of a
 * logarithmic axis instead of vanishing. Text is drawn in the viewer's own font, and colours read
 * on white and on dark pages alike because the picture brings its own white ground. */
#ifndef FACEPAIR_MODEL_PLOT_PANEL_H
#define FACEPAIR_MODEL_PLOT_PANEL_H

#include "server/status.h"

#include <stdbool.h>
#include <stdio.h>

enum { PLOT_WIDTH = 360, PLOT_HEIGHT = 280 }; /* of every panel's box */

struct plot_axis {
    double low, high;
    bool logarithmic;
    const char *name;
};

struct plot_panel {
    FILE *out;
    double left, top;
    struct plot_axis x, y;
};

/* Axes and titles. */
void plot_panel_open(const struct plot_panel *panel, const char *title);
/* From data to the picture. */
double plot_x(const struct plot_panel *panel, double value);
double plot_y(const struct plot_panel *panel, double value);

void plot_curve_begin(const struct plot_panel *panel);
void plot_curve_point(const struct plot_panel *panel, bool first, double x, double y);
void plot_curve_end(const struct plot_panel *panel, const char *colour, const char *fill);

/* anchor: "start", "middle" or "end" stands at x. Any text. */
void plot_text(const struct plot_panel *panel, double x, double y, const char *anchor,
               const char *text);

struct plot_picture {
    int width, height;
    const char *title; /* any text */
    void (*draw)(FILE *out, const void *context);
    const void *context;
};
/* Writes the file anew, whole. STATUS_INTERNAL; err names it. */
enum status plot_picture_write(const char *path, const struct plot_picture *picture,
                               struct error *err);

#endif
