/* How metrics.c keeps the series and metrics_text.c reads them: the inside of struct metrics, for
 * these two only.
 */
#ifndef FACEPAIR_SERVER_METRICS_STORE_H
#define FACEPAIR_SERVER_METRICS_STORE_H

#include "server/metrics.h"

#include <pthread.h>
#include <stdio.h>

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

enum {
    METRICS_BUCKETS_MAX = 20,
    METRICS_LABEL_BYTES_MAX = 128, /* of a value; the rest is cut off */
    METRICS_SLOTS = 1024           /* of a family's index: a power of two, at most a quarter full */
};

struct metric_buckets {
    size_t count;
    double bounds[METRICS_BUCKETS_MAX]; /* ascending, inclusive; +Inf comes besides */
};

struct metric_description {
    enum metric_type type;
    const char *name, *help, *labels; /* labels: names separated by commas */
    const struct metric_buckets *buckets;
};

extern const struct metric_description metric_descriptions[METRIC_COUNT];

struct metric_series {
    uint64_t hash;
    double value; /* of a counter or gauge; the sum of a histogram */
    size_t key_bytes;
    const char *key;   /* the label values, valid UTF-8, each with its terminator; behind counts */
    uint64_t counts[]; /* of a histogram: one a bucket, not cumulative, and one for +Inf */
};

struct metric_family {
    pthread_mutex_t lock;
    unsigned labels; /* how many */
    size_t count;
    struct metric_series
        *series[METRICS_SERIES_MAX + 1]; /* in order of creation; one for "other" */
    uint16_t index[METRICS_SLOTS]; /* open addressing by hash: place in `series` plus 1, or 0 */
};

struct metrics {
    double process_start_s; /* as told at creation: told anew each time, it would move with the
                               clock, and a change means a restart */
    struct metric_family families[METRIC_COUNT];
};

/* When this process started, since the Unix epoch; 0 when that cannot be read. */
double metrics_process_start_s(void);
/* Writes the process_* families of the exposition format. */
void metrics_write_process(FILE *out, double start_s);
/* Writes a number as the format wants it: the shortest text that reads back as the same. */
void metrics_write_number(FILE *out, double value);

#endif
