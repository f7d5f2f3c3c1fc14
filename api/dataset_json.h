/* What is told of a data set. */
#ifndef FACEPAIR_API_DATASET_JSON_H
#define FACEPAIR_API_DATASET_JSON_H

#include "model/store/datasets.h"

#include <jansson.h>

/* A new reference; NULL: out of memory. */
json_t *dataset_json(const struct store_dataset *dataset);
/* A time, or null for 0. */
json_t *time_json(uint64_t wall_ms);

#endif
