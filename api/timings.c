#include "api/timings.h"

#include <stdio.h>

double timing_between_ms(uint64_t from_us, uint64_t to_us) {
    return to_us > from_us ? (double)(to_us - from_us) / 1000.0 : 0.0;
}

void timings_write(struct json_writer *json, const struct timing *timings) {
    json_write_object(json, "timings_ms");
    for (; timings->stage; timings++)
        json_write_short(json, timings->stage, timings->ms);
    json_write_end(json);
}

void timings_write_header(char text[TIMINGS_HEADER_SIZE], const struct timing *timings) {
    size_t size = 0;
    text[0] = '\0';
    for (; timings->stage; timings++) {
        int added = snprintf(text + size, TIMINGS_HEADER_SIZE - size, "%s%s;dur=%.3f",
                             size ? ", " : "", timings->stage, timings->ms);
        if (added < 0 || (size_t)added >= TIMINGS_HEADER_SIZE - size)
            return;
        size += (size_t)added;
    }
}

void timings_observe(struct metrics *metrics, const struct timing *timings) {
    for (; timings->stage; timings++)
        metrics_observe(metrics, METRIC_STAGE_DURATION, timings->ms / 1e3, timings->stage);
}
