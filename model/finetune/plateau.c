#include "model/finetune/plateau.h"

#include <math.h>

static const double THRESHOLD = 1e-4, SMALLEST_CHANGE = 1e-8;

struct plateau plateau_begin(double learning_rate, double factor, uint32_t patience) {
    return (struct plateau){
        .factor = factor, .patience = patience, .learning_rate = learning_rate, .best = INFINITY};
}

double plateau_step(struct plateau *plateau, double loss) {
    if (loss < plateau->best * (1 - THRESHOLD)) {
        plateau->best = loss;
        plateau->bad_epochs = 0;
    } else {
        plateau->bad_epochs++;
    }
    if (plateau->bad_epochs > plateau->patience) {
        double reduced = plateau->learning_rate * plateau->factor;
        if (plateau->learning_rate - reduced > SMALLEST_CHANGE)
            plateau->learning_rate = reduced;
        plateau->bad_epochs = 0;
    }
    return plateau->learning_rate;
}
