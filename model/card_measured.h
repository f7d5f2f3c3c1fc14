/* What calibration measured, in the card: "error_rates", the curve of FMR and FNMR over the
 * threshold with intervals, and "probability", the log-likelihood ratio over the distance. Each is
 * absent, null, or an object of columns of equal length. */
#ifndef FACEPAIR_MODEL_CARD_MEASURED_H
#define FACEPAIR_MODEL_CARD_MEASURED_H

#include "model/calibration.h"
#include "model/error_rates.h"
#include "model/json.h"

struct card_measured {
    struct error_rates error_rates; /* count 0: not measured */
    struct calibration calibration; /* count 0: not measured */
};

/* Members of the card's root object. Faults are the reader's. */
void card_measured_read(const struct json_node *root, struct card_measured *measured);
/* Both members, with the method's name. Rates are written with 6 significant digits. */
void card_measured_write(struct json_writer *json, const struct card_measured *measured,
                         const char *method);

#endif
