#include "model/plot_panel.h"

#include "model/file.h"

#include <math.h>
#include <stdlib.h>

enum { TICKS_MAX = 6 };

static double part(const struct plot_axis *axis, double value) {
    double clipped = fmax(axis->low, fmin(axis->high, value));
    if (axis->logarithmic)
        return log(clipped / axis->low) / log(axis->high / axis->low);
    return (clipped - axis->low) / (axis->high - axis->low);
}

double plot_x(const struct plot_panel *panel, double value) {
    return panel->left + part(&panel->x, value) * PLOT_WIDTH;
}
double plot_y(const struct plot_panel *panel, double value) {
    return panel->top + (1 - part(&panel->y, value)) * PLOT_HEIGHT;
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

void plot_text(const struct plot_panel *panel, double x, double y, const char *anchor,
               const char *text) {
    fprintf(panel->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    write_escaped(panel->out, text);
    fputs("</text>\n", panel->out);
}

/* ---- axes ---- */

/* Small powers of ten as 1e-5, where %g would say 1e-05 beside 0.0001. */
static void write_label(const struct plot_axis *axis, double value, char *label, size_t size) {
    if (axis->logarithmic && value < 0.009)
        snprintf(label, size, "1e%.0f", log10(value));
    else
        snprintf(label, size, "%.6g", value);
}

static void draw_tick(const struct plot_panel *panel, const struct plot_axis *axis, double value) {
    char label[32];
    write_label(axis, value, label, sizeof(label));
    bool horizontal = axis == &panel->x;
    double x = horizontal ? plot_x(panel, value) : panel->left;
    double y = horizontal ? panel->top + PLOT_HEIGHT : plot_y(panel, value);
    fprintf(panel->out, "<path class=\"grid\" d=\"M%.1f %.1f%c%.1f\"/>\n", x, y,
            horizontal ? 'V' : 'H', horizontal ? panel->top : panel->left + PLOT_WIDTH);
    if (horizontal)
        plot_text(panel, x, y + 14, "middle", label);
    else
        plot_text(panel, x - 5, y + 4, "end", label);
}

/* The smallest of 1, 2 and 5 times a power of ten that cuts a linear axis, which begins at 0, into
 * at most TICKS_MAX parts. */
static double tick_step(const struct plot_axis *axis) {
    double least = axis->high / TICKS_MAX, power = pow(10, floor(log10(least)));
    double part = least / power * (1 - 1e-9); /* 0.2 ÷ 0.1 may come out above 2 */
    return power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

static void draw_axis(const struct plot_panel *panel, const struct plot_axis *axis) {
    double value = axis->low, step = axis->logarithmic ? 10 : tick_step(axis);
    for (int i = 1; value <= axis->high * 1.001; i++) {
        draw_tick(panel, axis, value);
        value = axis->logarithmic ? value * step : i * step;
    }
}

void plot_panel_open(const struct plot_panel *panel, const char *title) {
    draw_axis(panel, &panel->x);
    draw_axis(panel, &panel->y);
    fprintf(panel->out,
            "<rect class=\"frame\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\"/>\n",
            panel->left, panel->top, PLOT_WIDTH, PLOT_HEIGHT);
    plot_text(panel, panel->left, panel->top - 8, "start", title);
    plot_text(panel, panel->left + PLOT_WIDTH, panel->top + PLOT_HEIGHT + 28, "end", panel->x.name);
}

/* ---- curves ---- */

void plot_curve_begin(const struct plot_panel *panel) { fputs("<path d=\"", panel->out); }
void plot_curve_point(const struct plot_panel *panel, bool first, double x, double y) {
    fprintf(panel->out, "%c%.2f %.2f", first ? 'M' : 'L', plot_x(panel, x), plot_y(panel, y));
}
void plot_curve_end(const struct plot_panel *panel, const char *colour, const char *fill) {
    fprintf(panel->out, "\" stroke=\"%s\" fill=\"%s\"/>\n", colour, fill);
}

/* ---- the picture ---- */

static void draw(FILE *out, const struct plot_picture *picture) {
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"11\">\n"
            "<style>.grid{stroke:#ddd;fill:none}.frame{stroke:#555;fill:none}"
            "path{stroke-width:1.5}.grid,.frame{stroke-width:1}</style>\n"
            "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n"
            "<text x=\"60\" y=\"26\" font-size=\"15\">",
            picture->width, picture->height, picture->width, picture->height, picture->width,
            picture->height);
    write_escaped(out, picture->title);
    fputs("</text>\n", out);
    picture->draw(out, picture->context);
    fputs("</svg>\n", out);
}

enum status plot_picture_write(const char *path, const struct plot_picture *picture,
                               struct error *err) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    draw(out, picture);
    bool well = !ferror(out);
    well = fclose(out) == 0 && well;
    enum status status =
        well ? file_write(path, text, size, err) : error_set(err, STATUS_INTERNAL, "out of memory");
    free(text);
    return status;
}
