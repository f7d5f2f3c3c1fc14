/* The exposition format 0.0.4 of Prometheus: for each family a HELP and a TYPE line, then a line a
 * series; a histogram is a cumulative count a bucket, then _sum and _count. In label values the
 * backslash, the quotation mark and the line feed are escaped. A family is written under its own
 * lock, so its lines agree with each other.
 */
#include "server/metrics_store.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {"counter", "gauge", "histogram"};

void metrics_write_number(FILE *out, double value) {
    if (isnan(value)) {
        fputs("NaN", out);
        return;
    }
    if (isinf(value)) {
        fputs(value > 0 ? "+Inf" : "-Inf", out);
        return;
    }
    char text[32];
    int digits = 15; /* which every decimal of so many digits survives; 17 every double */
    do
        snprintf(text, sizeof text, "%.*g", digits, value);
    while (digits++ < 17 && strtod(text, NULL) != value);
    fputs(text, out);
}

static void write_escaped(FILE *out, const char *value) {
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            fputc('\\', out);
        if (*value == '\n')
            fputs("\\n", out);
        else
            fputc(*value, out);
    }
}

/* {a="1",b="2"}, with le="bound" at the end when `le` is not NULL; nothing when there is no label.
 */
static void write_labels(FILE *out, const char *names, const char *values, const double *le) {
    const char *separator = "{";
    while (*names) {
        int length = (int)strcspn(names, ",");
        fprintf(out, "%s%.*s=\"", separator, length, names);
        write_escaped(out, values);
        fputc('"', out);
        separator = ",";
        values += strlen(values) + 1;
        names += length;
        names += *names == ',';
    }
    if (le) {
        fprintf(out, "%sle=\"", separator);
        metrics_write_number(out, *le);
        fputc('"', out);
        separator = ",";
    }
    if (*separator == ',')
        fputc('}', out);
}

static void write_plain(FILE *out, const struct metric_description *description,
                        const struct metric_series *series) {
    fputs(description->name, out);
    write_labels(out, description->labels, series->key, NULL);
    fputc(' ', out);
    metrics_write_number(out, series->value);
    fputc('\n', out);
}

static void write_histogram(FILE *out, const struct metric_description *description,
                            const struct metric_series *series) {
    const struct metric_buckets *buckets = description->buckets;
    uint64_t count = 0;
    for (size_t i = 0; i <= buckets->count; i++) {
        double bound = i < buckets->count ? buckets->bounds[i] : INFINITY;
        count += series->counts[i];
        fprintf(out, "%s_bucket", description->name);
        write_labels(out, description->labels, series->key, &bound);
        fprintf(out, " %" PRIu64 "\n", count);
    }
    fprintf(out, "%s_sum", description->name);
    write_labels(out, description->labels, series->key, NULL);
    fputc(' ', out);
    metrics_write_number(out, series->value);
    fprintf(out, "\n%s_count", description->name);
    write_labels(out, description->labels, series->key, NULL);
    fprintf(out, " %" PRIu64 "\n", count);
}

static void write_family(FILE *out, const struct metric_description *description,
                         struct metric_family *family) {
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", description->name, description->help,
            description->name, type_names[description->type]);
    pthread_mutex_lock(&family->lock);
    for (size_t i = 0; i < family->count; i++)
        if (description->type == METRIC_HISTOGRAM)
            write_histogram(out, description, family->series[i]);
        else
            write_plain(out, description, family->series[i]);
    pthread_mutex_unlock(&family->lock);
}

char *metrics_text(struct metrics *metrics, size_t *size) {
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    if (!out)
        return NULL;
    for (int i = 0; i < METRIC_COUNT; i++)
        write_family(out, &metric_descriptions[i], &metrics->families[i]);
    metrics_write_process(out, metrics->process_start_s);
    int failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
