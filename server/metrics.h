/* Counters, gauges and histograms, and their Prometheus text (exposition format 0.0.4).
 *
 * The families are one table (X-macro): id, name, type, help, label names, buckets. Buckets are
 * part of the contract. A series is identified by its label values; series are created on first
 * use, at most METRICS_SERIES_MAX a family (then counted in the series of label values "other").
 * Any thread; one short lock of the family a call, and no allocation but on first use.
 *
 * Bucket sets (upper bounds, inclusive; +Inf besides):
 *   SECONDS   0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10
 *   FACES     1 2 4 8 16 32 64
 *   DISTANCE  0.1 to 1.4 in steps of 0.1, and 0.45 0.55 0.65 near the thresholds
 */
#ifndef FACEPAIR_SERVER_METRICS_H
#define FACEPAIR_SERVER_METRICS_H

#include <stddef.h>
#include <stdint.h>

enum { METRICS_LABELS_MAX = 4, METRICS_SERIES_MAX = 256 };

/* X(ID, type, name, help, labels separated by commas, bucket set) */
#define METRICS_TABLE(X)                                                                           \
    X(HTTP_REQUESTS, COUNTER, "facepair_http_requests_total", "Answers sent.",                     \
      "route,method,code", NONE)                                                                   \
    X(HTTP_DURATION, HISTOGRAM, "facepair_http_request_duration_seconds",                          \
      "First header byte to the answer's queueing.", "route", SECONDS)                             \
    X(HTTP_IN_FLIGHT, GAUGE, "facepair_http_in_flight", "Requests begun and not answered.", "",    \
      NONE)                                                                                        \
    X(STAGE_DURATION, HISTOGRAM, "facepair_stage_duration_seconds",                                \
      "Time in one stage of a request.", "stage", SECONDS)                                         \
    X(QUEUE_LENGTH, GAUGE, "facepair_queue_length", "Items waiting.", "queue", NONE)               \
    X(QUEUE_CAPACITY, GAUGE, "facepair_queue_capacity", "The bound of the queue.", "queue", NONE)  \
    X(WORKER_BUSY, COUNTER, "facepair_worker_busy_seconds_total",                                  \
      "Time the device worker computed.", "worker", NONE)                                          \
    X(BATCH_SIZE, HISTOGRAM, "facepair_batch_size", "Faces in a batch.", "model", FACES)           \
    X(REJECTED, COUNTER, "facepair_rejected_total", "Requests refused or dropped.", "reason",      \
      NONE)                                                                                        \
    X(IMAGES, COUNTER, "facepair_images_total", "Photographs by outcome: ok or an error code.",    \
      "outcome", NONE)                                                                             \
    X(VERIFICATIONS, COUNTER, "facepair_verifications_total", "Decisions.",                        \
      "model,version,rule,decision", NONE)                                                         \
    X(DISTANCE, HISTOGRAM, "facepair_distance", "Distances answered.", "model,version", DISTANCE)  \
    X(MODEL_INFO, GAUGE, "facepair_model_info", "1 for each loaded version.",                      \
      "model,version,active,device", NONE)                                                         \
    X(JOBS, GAUGE, "facepair_jobs", "Jobs known.", "kind,status", NONE)                            \
    X(JOBS_FINISHED, COUNTER, "facepair_jobs_finished_total",                                      \
      "Jobs that ended while this process ran.", "kind,status", NONE)                              \
    X(READY, GAUGE, "facepair_ready", "1 when models are warm and the service is not draining.",   \
      "", NONE)                                                                                    \
    X(LOOP_LAG, GAUGE, "facepair_loop_lag_seconds", "How late the loop's last beat was.", "",      \
      NONE)                                                                                        \
    X(BUILD_INFO, GAUGE, "facepair_build_info", "1, with the version.", "version", NONE)

enum metric {
#define X(id, type, name, help, labels, buckets) METRIC_##id,
    METRICS_TABLE(X)
#undef X
        METRIC_COUNT
};

struct metrics;

struct metrics *metrics_create(void); /* NULL: out of memory */
void metrics_destroy(struct metrics *metrics);

/* Label values follow in the order of the table's label names, as many as those, each a string that
 * is not NULL, e.g. metrics_add(m, METRIC_REJECTED, 1.0, "overloaded"). They are copied; a value is
 * cut to 128 bytes, and what is not UTF-8 becomes U+FFFD. `value` is in the unit of the family's
 * name. When there is no memory for a new series, the call does nothing. */
void metrics_add(struct metrics *metrics, enum metric metric, double value,
                 ...); /* counter (value ≥ 0) or gauge */
void metrics_set(struct metrics *metrics, enum metric metric, double value, ...); /* gauge */
void metrics_observe(struct metrics *metrics, enum metric metric, double value,
                     ...); /* histogram; NaN is not observed */
/* Series that ended: every one of the family whose first `labels` label values, at least one, are
 * these; nothing when there is none. */
void metrics_remove(struct metrics *metrics, enum metric metric, unsigned labels, ...);

/* The whole text, process_* included; from malloc, *size bytes and a terminator. NULL: out of
 * memory. */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
char *metrics_text(struct metrics *metrics, size_t *size);

#endif
