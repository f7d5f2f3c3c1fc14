/* What is told of a model version, wherever it is told. */
#ifndef FACEPAIR_API_MODEL_JSON_H
#define FACEPAIR_API_MODEL_JSON_H

#include "api/service.h"
#include "model/card.h"
#include "model/json.h"

#include <jansson.h>

/* The measured quality; null when the version has not been evaluated. */
void model_metrics_write(struct json_writer *json, const char *name, const struct card *card);
/* [{"fmr":…,"threshold":…,"fnmr":…|null}, …] by falling fmr. A new reference; NULL: out of memory.
 */
json_t *model_thresholds_json(const struct card *card);

/* The model object of the lists and of a promotion's answer. A new reference; NULL: out of memory.
 */
json_t *model_summary_json(struct service *service, const struct model_version *version);

/* The segment of a path, as it was sent -> "NAME" or "NAME@VERSION"; "%40" is the one escape a path
 * may have. False: malformed. */
enum { MODEL_REFERENCE_SIZE = CARD_NAME_MAX + 1 + CARD_VERSION_MAX + 1 };
bool model_reference_read(const char *segment, char reference[MODEL_REFERENCE_SIZE]);

#endif
