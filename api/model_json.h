/* What is told of a model version, wherever it is told. New references; NULL: out of memory. */
#ifndef FACEPAIR_API_MODEL_JSON_H
#define FACEPAIR_API_MODEL_JSON_H

#include "model/card.h"

#include <jansson.h>

/* The measured quality; null when the version has not been evaluated. */
json_t *model_metrics_json(const struct card *card);
/* [{"fmr":…,"threshold":…,"fnmr":…|null}, …] by falling fmr. */
json_t *model_thresholds_json(const struct card *card);

#endif
