/* How long the stages of a request took: told in the answer, in Server-Timing and in /metrics. */
#ifndef FACEPAIR_API_TIMINGS_H
#define FACEPAIR_API_TIMINGS_H

#include "model/json.h"
#include "server/metrics.h"

enum { TIMINGS_HEADER_SIZE = 160 };

struct timing {
    const char *stage; /* NULL ends a list; at most 5 stages */
    double ms;
};

double timing_between_ms(uint64_t from_us, uint64_t to_us); /* not below 0 */

void timings_write(struct json_writer *json, const struct timing *timings); /* "timings_ms" */
/* The value of Server-Timing (W3C): "receive;dur=1.234, total;dur=5.678". */
void timings_write_header(char text[TIMINGS_HEADER_SIZE], const struct timing *timings);
void timings_observe(struct metrics *metrics, const struct timing *timings);

#endif
