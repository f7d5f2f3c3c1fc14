#include "api/job_metrics.h"

#include <string.h>

static void look(struct service *service, bool counting) {
    size_t counts[JOB_KINDS_COUNT][JOB_STATES_COUNT];
    if (store_job_count(service->store, counts, NULL) != STATUS_OK)
        return;
    for (unsigned kind = 0; kind < JOB_KINDS_COUNT; kind++)
        for (unsigned state = 0; state < JOB_STATES_COUNT; state++) {
            const char *kind_word = job_kind_word((enum job_kind)kind);
            const char *state_word = job_state_word((enum job_state)state);
            size_t now = counts[kind][state], before = service->jobs_counted[kind][state];
            metrics_set(service->metrics, METRIC_JOBS, (double)now, kind_word, state_word);
            if (!job_state_is_final((enum job_state)state))
                continue;
            /* From 0 on: of a series that begins with 1, Prometheus sees no increase. */
            size_t ended = counting && now > before ? now - before : 0;
            metrics_add(service->metrics, METRIC_JOBS_FINISHED, (double)ended, kind_word,
                        state_word);
        }
    memcpy(service->jobs_counted, counts, sizeof counts);
}

void job_metrics_begin(struct service *service) { look(service, false); }
void job_metrics_look(struct service *service) { look(service, true); }
