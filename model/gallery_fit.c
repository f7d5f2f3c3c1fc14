#include "model/gallery_fit.h"

#include "model/all_pairs.h"
#include "model/typical.h"

#include <string.h>

const char GALLERY_FIT_METHOD[] =
    "All pairs; an impostor pair weighs 1/(images of a x images of b), a genuine pair 1/(pairs of "
    "the person); 95 % intervals by a bootstrap over people.";
static const double TYPICAL_SHARE = 0.001; /* of genuine faces may lie nearer to the mean */

enum status gallery_fit_decisions(struct gallery_fit *fit, struct error *err) {
    fit->points_count = error_rates_operating_points(&fit->measured.error_rates, fit->points);
    if (fit->points_count == 0)
        return error_set(err, STATUS_INVALID_FIELD,
                         "too few people or pairs: even a false-match rate of 0.1 is not known "
                         "within a factor of 3");
    return calibration_fit(&fit->histogram, fit->points[fit->points_count - 1].fmr,
                           error_rates_smallest_fnmr(&fit->measured.error_rates),
                           &fit->measured.calibration, err);
}

enum status gallery_fit_people(const struct gallery *gallery,
                               const struct bootstrap_options *bootstrap, struct gallery_fit *fit,
                               struct error *err) {
    static const struct error_rates_extra NO_MORE = {0};
    memset(fit, 0, sizeof(*fit));
    enum status status = all_pairs_measure(gallery, &bootstrap->crew, &fit->histogram, err);
    if (status == STATUS_OK)
        status = error_rates_of_gallery(gallery, &fit->histogram, bootstrap, &NO_MORE,
                                        &fit->measured.error_rates, err);
    if (status == STATUS_OK)
        status = gallery_fit_decisions(fit, err);
    return status == STATUS_OK ? typical_measure(gallery, TYPICAL_SHARE, &fit->typical, err)
                               : status;
}

void gallery_fit_release(struct gallery_fit *fit) {
    distance_histogram_release(&fit->histogram);
    card_typical_release(&fit->typical);
}
