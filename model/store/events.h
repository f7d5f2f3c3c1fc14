/* What happened to a job, numbered from 1 without gaps in the order of time. Old events of progress
 * and log give way when a job has too many; states, metrics and checkpoints stay. */
#ifndef FACEPAIR_MODEL_STORE_EVENTS_H
#define FACEPAIR_MODEL_STORE_EVENTS_H

#include "model/store/jobs.h"

#define EVENT_TYPES(X)                                                                             \
    X(STATE, "state")                                                                              \
    X(PROGRESS, "progress")                                                                        \
    X(METRICS, "metrics")                                                                          \
    X(CHECKPOINT, "checkpoint")                                                                    \
    X(LOG, "log")
enum event_type {
#define X(name, word) EVENT_##name,
    EVENT_TYPES(X)
#undef X
        EVENT_TYPES_COUNT
};
const char *event_type_word(enum event_type type);

enum { STORE_EVENTS_MAX = 10000 }; /* of progress and log, of one job */

struct store_event {
    uint64_t number, at_ms;
    enum event_type type;
    char *data; /* one JSON object on one line */
};

/* Those numbered above `after`, oldest first, at most `limit` (1 … STORE_PAGE_MAX). *ended: the job
 * is final, its promotion decided, and none follow these. STATUS_NOT_FOUND: no such job. *events
 * from malloc. */
enum status store_events(struct store *store, const char *id, uint64_t after, size_t limit,
                         struct store_event **events, size_t *count, bool *ended,
                         struct error *err);
void store_events_release(struct store_event *events, size_t count);

#endif
