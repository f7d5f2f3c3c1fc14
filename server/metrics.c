/* A call on the way of a request does this: the label values are joined to one key and hashed
 * (FNV-1a; keys are tens of bytes, and the hash only spreads them, an attacker chooses none that is
 * not bounded by METRICS_SERIES_MAX), the family is locked, the series is found in an
 * open-addressed index, one number changes. Nothing is allocated but on the first use of a series.
 *
 * Each family has its own lock, so that the loop, the pool and the device worker rarely meet.
 *
 * Label values become valid UTF-8 of at most METRICS_LABEL_BYTES_MAX bytes before they are looked
 * up, so that two values which print alike are one series. When memory runs out for a new series,
 * the observation is lost: metrics must not fail the request that they count.
 */
#include "server/metrics_store.h"
#include "server/utf8.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The bounds are part of the contract: dashboards and recorded series depend on them. */
static const struct metric_buckets buckets_NONE = {0, {0}};
static const struct metric_buckets buckets_SECONDS = {
    13, {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}};
static const struct metric_buckets buckets_FACES = {7, {1, 2, 4, 8, 16, 32, 64}};
static const struct metric_buckets buckets_DISTANCE = {
    17, {0.1, 0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4}};

const struct metric_description metric_descriptions[METRIC_COUNT] = {
#define X(id, type, name, help, labels, buckets)                                                   \
    [METRIC_##id] = {METRIC_##type, name, help, labels, &buckets_##buckets},
    METRICS_TABLE(X)
#undef X
};

enum { KEY_BYTES_MAX = METRICS_LABELS_MAX * (METRICS_LABEL_BYTES_MAX + 1) };

struct key {
    uint64_t hash;
    size_t bytes;
    char text[KEY_BYTES_MAX];
};

/* Writes a label value and its terminator; the number of bytes. */
static size_t write_value(char *to, const char *value) {
    size_t length = 0;
    while (*value) {
        uint32_t point;
        size_t size =
            (unsigned char)*value < 0x80 ? 1 : utf8_next(value, strnlen(value, 4), &point);
        const char *from = size ? value : UTF8_REPLACEMENT;
        size_t put = size ? size : sizeof UTF8_REPLACEMENT - 1;
        if (length + put > METRICS_LABEL_BYTES_MAX)
            break;
        for (size_t i = 0; i < put; i++)
            to[length++] = from[i];
        value += size ? size : 1;
    }
    to[length++] = '\0';
    return length;
}

static void key_hash(struct key *key) {
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a, 64 bits: offset basis and prime */
    size_t bytes = key->bytes;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)key->text[i]) * 0x100000001b3;
    key->hash = hash;
}

static void key_of_values(struct key *key, unsigned labels, va_list *values) {
    key->bytes = 0;
    for (unsigned i = 0; i < labels; i++)
        key->bytes += write_value(key->text + key->bytes, va_arg(*values, const char *));
    key_hash(key);
}

static void key_of_others(struct key *key, unsigned labels) {
    key->bytes = 0;
    for (unsigned i = 0; i < labels; i++)
        key->bytes += write_value(key->text + key->bytes, "other");
    key_hash(key);
}

/* The slot of the key, or the empty one where it would stand. */
static uint16_t *find_slot(struct metric_family *family, const struct key *key) {
    for (size_t at = key->hash;; at++) {
        uint16_t *slot = &family->index[at % METRICS_SLOTS];
        if (*slot == 0)
            return slot;
        const struct metric_series *series = family->series[*slot - 1];
        if (series->hash == key->hash && series->key_bytes == key->bytes &&
            memcmp(series->key, key->text, key->bytes) == 0)
            return slot;
    }
}

static struct metric_series *series_create(const struct metric_description *description,
                                           const struct key *key) {
    size_t counts = description->type == METRIC_HISTOGRAM ? description->buckets->count + 1 : 0;
    struct metric_series *series =
        calloc(1, sizeof *series + counts * sizeof series->counts[0] + key->bytes);
    if (!series)
        return NULL;
    char *behind_counts = (char *)&series->counts[counts];
    memcpy(behind_counts, key->text, key->bytes);
    series->key = behind_counts;
    series->key_bytes = key->bytes;
    series->hash = key->hash;
    return series;
}

/* Under the family's lock. NULL: out of memory. */
static struct metric_series *find_or_create(struct metrics *metrics, enum metric metric,
                                            struct key *key) {
    struct metric_family *family = &metrics->families[metric];
    uint16_t *slot = find_slot(family, key);
    if (*slot == 0 && family->count >= METRICS_SERIES_MAX) {
        key_of_others(key, family->labels);
        slot = find_slot(family, key);
    }
    if (*slot == 0) {
        struct metric_series *series = series_create(&metric_descriptions[metric], key);
        if (!series)
            return NULL;
        family->series[family->count++] = series;
        *slot = (uint16_t)family->count;
    }
    return family->series[*slot - 1];
}

static unsigned count_labels(const char *labels) {
    unsigned count = *labels != '\0';
    for (; *labels; labels++)
        count += *labels == ',';
    assert(count <= METRICS_LABELS_MAX);
    return count;
}

struct metrics *metrics_create(void) {
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (!metrics)
        return NULL;
    metrics->process_start_s = metrics_process_start_s();
    for (int i = 0; i < METRIC_COUNT; i++) {
        pthread_mutex_init(&metrics->families[i].lock, NULL);
        metrics->families[i].labels = count_labels(metric_descriptions[i].labels);
    }
    for (int i = 0; i < METRIC_COUNT; i++) {
        struct key key;
        key_of_others(&key, 0);
        /* A family without labels is there from the beginning, with 0. */
        if (metrics->families[i].labels == 0 && !find_or_create(metrics, (enum metric)i, &key)) {
            metrics_destroy(metrics);
            return NULL;
        }
    }
    return metrics;
}

void metrics_destroy(struct metrics *metrics) {
    if (!metrics)
        return;
    for (int i = 0; i < METRIC_COUNT; i++) {
        struct metric_family *family = &metrics->families[i];
        for (size_t s = 0; s < family->count; s++)
            free(family->series[s]);
        pthread_mutex_destroy(&family->lock);
    }
    free(metrics);
}

/* Locks the family and finds the series; NULL: out of memory. The caller unlocks in either case. */
static struct metric_series *lock_series(struct metrics *metrics, enum metric metric,
                                         va_list *values) {
    struct metric_family *family = &metrics->families[metric];
    struct key key;
    key_of_values(&key, family->labels, values);
    pthread_mutex_lock(&family->lock);
    return find_or_create(metrics, metric, &key);
}

static void unlock_series(struct metrics *metrics, enum metric metric) {
    pthread_mutex_unlock(&metrics->families[metric].lock);
}

void metrics_add(struct metrics *metrics, enum metric metric, double value, ...) {
    assert(metric < METRIC_COUNT && metric_descriptions[metric].type != METRIC_HISTOGRAM);
    assert(metric_descriptions[metric].type != METRIC_COUNTER || value >= 0);
    va_list values;
    va_start(values, value);
    struct metric_series *series = lock_series(metrics, metric, &values);
    va_end(values);
    if (series)
        series->value += value;
    unlock_series(metrics, metric);
}

void metrics_set(struct metrics *metrics, enum metric metric, double value, ...) {
    assert(metric < METRIC_COUNT && metric_descriptions[metric].type == METRIC_GAUGE);
    va_list values;
    va_start(values, value);
    struct metric_series *series = lock_series(metrics, metric, &values);
    va_end(values);
    if (series)
        series->value = value;
    unlock_series(metrics, metric);
}

void metrics_observe(struct metrics *metrics, enum metric metric, double value, ...) {
    assert(metric < METRIC_COUNT && metric_descriptions[metric].type == METRIC_HISTOGRAM);
    if (isnan(value)) /* it would make the sum NaN for ever */
        return;
    const struct metric_buckets *buckets = metric_descriptions[metric].buckets;
    size_t bucket = 0;
    while (bucket < buckets->count && value > buckets->bounds[bucket])
        bucket++;
    va_list values;
    va_start(values, value);
    struct metric_series *series = lock_series(metrics, metric, &values);
    va_end(values);
    if (series) {
        series->counts[bucket]++;
        series->value += value;
    }
    unlock_series(metrics, metric);
}

/* Series end seldom (a model is unloaded), so the index is simply made again. */
static void rebuild_index(struct metric_family *family) {
    memset(family->index, 0, sizeof family->index);
    for (size_t i = 0; i < family->count; i++) {
        size_t at = family->series[i]->hash;
        while (family->index[at % METRICS_SLOTS])
            at++;
        family->index[at % METRICS_SLOTS] = (uint16_t)(i + 1);
    }
}

void metrics_remove(struct metrics *metrics, enum metric metric, unsigned labels, ...) {
    assert(metric < METRIC_COUNT);
    struct metric_family *family = &metrics->families[metric];
    assert(labels > 0 && labels <= family->labels);
    struct key key; /* the beginning of a series' key: each value ends with its terminator */
    va_list values;
    va_start(values, labels);
    key_of_values(&key, labels, &values);
    va_end(values);
    size_t kept = 0;
    pthread_mutex_lock(&family->lock);
    for (size_t i = 0; i < family->count; i++) {
        struct metric_series *series = family->series[i];
        if (series->key_bytes >= key.bytes && memcmp(series->key, key.text, key.bytes) == 0)
            free(series);
        else
            family->series[kept++] = series;
    }
    family->count = kept;
    rebuild_index(family);
    pthread_mutex_unlock(&family->lock);
}
