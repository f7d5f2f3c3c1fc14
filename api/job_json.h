/* What is told of a job, of its events and checkpoints. */
#ifndef FACEPAIR_API_JOB_JSON_H
#define FACEPAIR_API_JOB_JSON_H

#include "model/store/events.h"

#include <jansson.h>
#include <stdbool.h>

/* whole: with the losses of each epoch and the evaluation, which a list leaves out. A new
 * reference; NULL: out of memory. */
json_t *job_json(const struct store_job *job, bool whole);
json_t *event_json(const struct store_event *event);
json_t *checkpoint_json(const struct store_checkpoint *checkpoint);

#endif
