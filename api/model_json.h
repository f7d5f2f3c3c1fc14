/* What is told of a model version, wherever it is told. */
#ifndef FACEPAIR_API_MODEL_JSON_H
#define FACEPAIR_API_MODEL_JSON_H

#include "model/card.h"
#include "model/json.h"

#include <jansson.h>

/* The measured quality; null when the version has not been evaluated. */
void model_metrics_write(struct json_writer *json, const char *name, const struct card *card);
/* [{"fmr":…,"threshold":…,"fnmr":…|null}, …] by falling fmr. A new reference; NULL: out of memory.
 */
json_t *model_thresholds_json(const struct card *card);

#endif
