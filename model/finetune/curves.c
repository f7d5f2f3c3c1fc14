#include "model/finetune/curves.h"

#include "model/plot_panel.h"

#include <math.h>

static const char TRAINING[] = "#2166ac", VALIDATION[] = "#b2182b", RATE[] = "#1b7837";

struct curves {
    const struct finetune_epoch *epochs;
    uint32_t count;
};

typedef double (*reading)(const struct finetune_epoch *epoch);
static double train_loss(const struct finetune_epoch *epoch) { return epoch->train_loss; }
static double validation_loss(const struct finetune_epoch *epoch) { return epoch->validation_loss; }
static double learning_rate(const struct finetune_epoch *epoch) { return epoch->learning_rate; }

static double highest(const struct curves *curves, reading read) {
    double value = 0;
    for (uint32_t i = 0; i < curves->count; i++)
        value = fmax(value, read(&curves->epochs[i])); /* passes over what is no number */
    return value > 0 ? 1.08 * value : 1;
}

static void draw_curve(const struct plot_panel *panel, const struct curves *curves, reading read,
                       const char *colour) {
    bool first = true;
    plot_curve_begin(panel);
    for (uint32_t i = 0; i < curves->count; i++) {
        if (!isfinite(read(&curves->epochs[i])))
            continue;
        plot_curve_point(panel, first, i + 1, read(&curves->epochs[i]));
        first = false;
    }
    plot_curve_end(panel, colour, "none");
}

/* The epoch that is kept. */
static void mark_best(const struct plot_panel *panel, const struct curves *curves) {
    uint32_t best = curves->epochs[curves->count - 1].best_epoch;
    if (best == 0 || best > curves->count || !isfinite(curves->epochs[best - 1].validation_loss))
        return;
    fprintf(panel->out, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"4\" fill=\"%s\"/>\n",
            plot_x(panel, best), plot_y(panel, curves->epochs[best - 1].validation_loss),
            VALIDATION);
}

static void draw(FILE *out, const void *context) {
    const struct curves *curves = context;
    const struct plot_axis epochs = {0, fmax(2, curves->count), false, "epoch"};
    const struct plot_panel training = {
        out, 60, 60, epochs, {0, highest(curves, train_loss), false, ""}};
    const struct plot_panel validation = {
        out, 480, 60, epochs, {0, highest(curves, validation_loss), false, ""}};
    const struct plot_panel rate = {
        out, 60, 410, epochs, {0, highest(curves, learning_rate), false, ""}};
    plot_panel_open(&training, "Training loss");
    draw_curve(&training, curves, train_loss, TRAINING);
    plot_panel_open(&validation, "Validation loss; the epoch that is kept");
    draw_curve(&validation, curves, validation_loss, VALIDATION);
    mark_best(&validation, curves);
    plot_panel_open(&rate, "Learning rate");
    draw_curve(&rate, curves, learning_rate, RATE);
}

enum status curves_write(const char *path, const char *title, const struct finetune_epoch *epochs,
                         uint32_t count, struct error *err) {
    const struct curves curves = {epochs, count};
    const struct plot_picture picture = {880, 740, title, draw, &curves};
    return plot_picture_write(path, &picture, err);
}
