#include "server/metrics.h"
#include "tests/expect_abort.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char *text_of(struct metrics *metrics) {
    size_t size;
    char *text = metrics_text(metrics, &size);
    assert_non_null(text);
    assert_int_equal(strlen(text), size);
    return text;
}

/* The text begins a line with this. */
static bool has(const char *text, const char *line) {
    for (const char *at = text; (at = strstr(at, line)); at++)
        if (at == text || at[-1] == '\n')
            return true;
    return false;
}

static unsigned count_lines(const char *text, const char *beginning) {
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, beginning)); at++)
        count += at == text || at[-1] == '\n';
    return count;
}

/* The number behind "name " at the beginning of a line. */
static double value_of(const char *text, const char *name) {
    size_t length = strlen(name);
    for (const char *at = text; (at = strstr(at, name)); at++)
        if ((at == text || at[-1] == '\n') && at[length] == ' ')
            return strtod(at + length, NULL);
    fail_msg("no series %s", name);
    return NAN;
}

/* ---- the text ---- */
static const char golden[] =
    "# HELP facepair_http_requests_total Answers sent.\n"
    "# TYPE facepair_http_requests_total counter\n"
    "facepair_http_requests_total{route=\"/v1/verify\",method=\"POST\",code=\"200\"} 2\n"
    "facepair_http_requests_total{route=\"unmatched\",method=\"GET\",code=\"404\"} 1\n"
    "# HELP facepair_http_request_duration_seconds First header byte to the answer's queueing.\n"
    "# TYPE facepair_http_request_duration_seconds histogram\n"
    "facepair_http_request_duration_seconds_bucket{route=\"/v1/verify\",le=\"0.001\"} 0\n"
    "facepair_http_request_duration_seconds_bucket{route=\"/v1/verify\",le=\"0.0025\"} 0\n"
    "facepair_http_request_duration_seconds_bucket{route=\"/v1/verify\",le=\"0.005\"} 0\n"
    "facepair_http_request_duration_seconds_bucket{route=\"/v1/verify\",le=\"0.01\"} 0\n"
    "facepair_http_request_duration_seconds_bucket{route=\"/v1/verify\",le=\"0.025\"} 1\n"
    "facepair_http_request_duration_seconds_bucket{route=\"/v1/verify\",le=\"0.05\"} 2\n"
    "facepair_http_request_duration_seconds_bucket{route=\"/v1/verify\",le=\"0.1\"} 2\n"
    "facepair_http_request_duration_seconds_bucket{route=\"/v1/verify\",le=\"0.25\"} 2\n"
    "facepair_http_request_duration_seconds_bucket{route=\"/v1/verify\",le=\"0.5\"} 2\n"
    "facepair_http_request_duration_seconds_bucket{route=\"/v1/verify\",le=\"1\"} 2\n"
    "facepair_http_request_duration_seconds_bucket{route=\"/v1/verify\",le=\"2.5\"} 2\n"
    "facepair_http_request_duration_seconds_bucket{route=\"/v1/verify\",le=\"5\"} 2\n"
    "facepair_http_request_duration_seconds_bucket{route=\"/v1/verify\",le=\"10\"} 2\n"
    "facepair_http_request_duration_seconds_bucket{route=\"/v1/verify\",le=\"+Inf\"} 3\n"
    "facepair_http_request_duration_seconds_sum{route=\"/v1/verify\"} 20.0625\n"
    "facepair_http_request_duration_seconds_count{route=\"/v1/verify\"} 3\n"
    "# HELP facepair_http_in_flight Requests begun and not answered.\n"
    "# TYPE facepair_http_in_flight gauge\n"
    "facepair_http_in_flight 1\n"
    "# HELP facepair_stage_duration_seconds Time in one stage of a request.\n"
    "# TYPE facepair_stage_duration_seconds histogram\n"
    "# HELP facepair_queue_length Items waiting.\n"
    "# TYPE facepair_queue_length gauge\n"
    "facepair_queue_length{queue=\"device\"} 7\n";

static void the_text_is_what_prometheus_reads(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    metrics_add(metrics, METRIC_HTTP_REQUESTS, 1, "/v1/verify", "POST", "200");
    metrics_add(metrics, METRIC_HTTP_REQUESTS, 1, "unmatched", "GET", "404");
    metrics_add(metrics, METRIC_HTTP_REQUESTS, 1, "/v1/verify", "POST", "200");
    metrics_observe(metrics, METRIC_HTTP_DURATION, 0.015625, "/v1/verify");
    metrics_observe(metrics, METRIC_HTTP_DURATION, 0.046875, "/v1/verify");
    metrics_observe(metrics, METRIC_HTTP_DURATION, 20, "/v1/verify");
    metrics_add(metrics, METRIC_HTTP_IN_FLIGHT, 2);
    metrics_add(metrics, METRIC_HTTP_IN_FLIGHT, -1);
    metrics_set(metrics, METRIC_QUEUE_LENGTH, 3, "device");
    metrics_set(metrics, METRIC_QUEUE_LENGTH, 7, "device");
    char *text = text_of(metrics);
    assert_true(strlen(text) > sizeof golden);
    text[sizeof golden - 1] = '\0';
    assert_string_equal(text, golden);
    free(text);
    metrics_destroy(metrics);
}

static void each_family_says_help_and_type_and_one_without_labels_its_value(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    char *text = text_of(metrics), line[256];
    static const char *const types[] = {
#define COUNTER "counter"
#define GAUGE "gauge"
#define HISTOGRAM "histogram"
#define X(id, type, name, help, labels, buckets) name, labels, type, help,
        METRICS_TABLE(X)
#undef X
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i += 4) {
        snprintf(line, sizeof line, "# HELP %s %s\n# TYPE %s %s\n", types[i], types[i + 3],
                 types[i], types[i + 2]);
        assert_true(has(text, line));
        snprintf(line, sizeof line, "%s 0\n", types[i]);
        assert_int_equal(has(text, line), types[i + 1][0] == '\0');
    }
    assert_int_equal(count_lines(text, "facepair_"), 4); /* in flight, ready, lag, log */
    free(text);
    metrics_destroy(metrics);
}

static void label_values_are_escaped(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    metrics_set(metrics, METRIC_BUILD_INFO, 1, "a\\b\"c\nd{}=,\t\xC3\xA9");
    char *text = text_of(metrics);
    assert_true(has(text, "facepair_build_info{version=\"a\\\\b\\\"c\\nd{}=,\t\xC3\xA9\"} 1\n"));
    free(text);
    metrics_destroy(metrics);
}

static void label_values_that_print_alike_are_one_series(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    metrics_add(metrics, METRIC_REJECTED, 1, "a\xFF");
    metrics_add(metrics, METRIC_REJECTED, 1, "a\xFE");
    metrics_add(metrics, METRIC_REJECTED, 1, "a\xEF\xBF\xBD");
    char *text = text_of(metrics);
    assert_true(has(text, "facepair_rejected_total{reason=\"a\xEF\xBF\xBD\"} 3\n"));
    assert_int_equal(count_lines(text, "facepair_rejected_total"), 1);
    free(text);
    metrics_destroy(metrics);
}

static void a_long_label_value_is_cut_between_characters(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    char value[200], line[256];
    memset(value, 'x', sizeof value);
    memcpy(value + 127, "\xC3\xA9", 2); /* stands across the limit of 128 bytes */
    value[sizeof value - 1] = '\0';
    metrics_add(metrics, METRIC_REJECTED, 1, value);
    metrics_add(metrics, METRIC_REJECTED, 1, value);
    char *text = text_of(metrics);
    snprintf(line, sizeof line, "facepair_rejected_total{reason=\"%.127s\"} 2\n", value);
    assert_true(has(text, line));
    free(text);
    metrics_destroy(metrics);
}

static void label_values_are_told_apart_where_their_joined_text_is_the_same(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    metrics_observe(metrics, METRIC_DISTANCE, 0.5, "ab", "c");
    metrics_observe(metrics, METRIC_DISTANCE, 0.5, "a", "bc");
    metrics_observe(metrics, METRIC_DISTANCE, 0.5, "abc", "");
    char *text = text_of(metrics);
    assert_true(has(text, "facepair_distance_count{model=\"ab\",version=\"c\"} 1\n"));
    assert_true(has(text, "facepair_distance_count{model=\"a\",version=\"bc\"} 1\n"));
    assert_true(has(text, "facepair_distance_count{model=\"abc\",version=\"\"} 1\n"));
    free(text);
    metrics_destroy(metrics);
}

static void numbers_are_the_shortest_that_read_back_the_same(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    static const struct {
        double value;
        const char *line;
    } cases[] = {
        {0.1, "facepair_ready 0.1\n"},
        {1.0 / 3, "facepair_ready 0.3333333333333333\n"},
        {0.1 + 0.2, "facepair_ready 0.30000000000000004\n"},
        {123456789012, "facepair_ready 123456789012\n"},
        {1e300, "facepair_ready 1e+300\n"},
        {-2.5, "facepair_ready -2.5\n"},
        {INFINITY, "facepair_ready +Inf\n"},
        {-INFINITY, "facepair_ready -Inf\n"},
        {NAN, "facepair_ready NaN\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        metrics_set(metrics, METRIC_READY, cases[i].value);
        char *text = text_of(metrics);
        assert_true(has(text, cases[i].line));
        free(text);
    }
    metrics_destroy(metrics);
}

/* ---- histograms ---- */
/* `bounds` is the contract's list, written out again. Each bound is observed, and the next number
 * above it. */
static void check_bounds(enum metric metric, const char *name, const char *labels,
                         const char *const *values, const char *const *bounds) {
    struct metrics *metrics = metrics_create();
    unsigned count = 0;
    for (; bounds[count]; count++) {
        double bound = strtod(bounds[count], NULL);
        metrics_observe(metrics, metric, bound, values[0], values[1]);
        metrics_observe(metrics, metric, nextafter(bound, INFINITY), values[0], values[1]);
    }
    char *text = text_of(metrics), line[256];
    for (unsigned i = 0; i < count; i++) {
        snprintf(line, sizeof line, "%s_bucket{%s,le=\"%s\"} %u\n", name, labels, bounds[i],
                 2 * i + 1);
        assert_true(has(text, line));
    }
    snprintf(line, sizeof line, "%s_bucket{%s,le=\"+Inf\"} %u\n", name, labels, 2 * count);
    assert_true(has(text, line));
    snprintf(line, sizeof line, "%s_count{%s} %u\n", name, labels, 2 * count);
    assert_true(has(text, line));
    snprintf(line, sizeof line, "%s_bucket", name);
    assert_int_equal(count_lines(text, line), count + 1);
    free(text);
    metrics_destroy(metrics);
}

static void the_buckets_are_those_of_the_contract_and_include_their_bound(void **state) {
    (void)state;
    static const char *const seconds[] = {"0.001", "0.0025", "0.005", "0.01", "0.025",
                                          "0.05",  "0.1",    "0.25",  "0.5",  "1",
                                          "2.5",   "5",      "10",    NULL};
    static const char *const faces[] = {"1", "2", "4", "8", "16", "32", "64", NULL};
    static const char *const distance[] = {"0.1",  "0.2", "0.3",  "0.4", "0.45", "0.5",
                                           "0.55", "0.6", "0.65", "0.7", "0.8",  "0.9",
                                           "1",    "1.1", "1.2",  "1.3", "1.4",  NULL};
    static const char *const values[] = {"a", "1"};
    check_bounds(METRIC_HTTP_DURATION, "facepair_http_request_duration_seconds", "route=\"a\"",
                 values, seconds);
    check_bounds(METRIC_STAGE_DURATION, "facepair_stage_duration_seconds", "stage=\"a\"", values,
                 seconds);
    check_bounds(METRIC_BATCH_SIZE, "facepair_batch_size", "model=\"a\"", values, faces);
    check_bounds(METRIC_DISTANCE, "facepair_distance", "model=\"a\",version=\"1\"", values,
                 distance);
}

static void what_is_no_number_is_not_observed(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    metrics_observe(metrics, METRIC_BATCH_SIZE, 2, "a");
    metrics_observe(metrics, METRIC_BATCH_SIZE, NAN, "a");
    char *text = text_of(metrics);
    assert_true(has(text, "facepair_batch_size_sum{model=\"a\"} 2\n"));
    assert_true(has(text, "facepair_batch_size_count{model=\"a\"} 1\n"));
    free(text);
    metrics_destroy(metrics);
}

/* ---- series ---- */
static void beyond_the_limit_series_are_counted_together_as_other(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    char route[32];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < METRICS_SERIES_MAX + 10; i++) {
            snprintf(route, sizeof route, "/%d", i);
            metrics_add(metrics, METRIC_HTTP_REQUESTS, 1, route, "GET", "200");
        }
    char *text = text_of(metrics), line[128];
    for (int i = 0; i < METRICS_SERIES_MAX + 10; i++) {
        snprintf(line, sizeof line,
                 "facepair_http_requests_total{route=\"/%d\",method=\"GET\",code=\"200\"} 2\n", i);
        assert_int_equal(has(text, line), i < METRICS_SERIES_MAX);
    }
    assert_true(has(text, "facepair_http_requests_total{route=\"other\",method=\"other\","
                          "code=\"other\"} 20\n"));
    assert_int_equal(count_lines(text, "facepair_http_requests_total"), METRICS_SERIES_MAX + 1);
    free(text);
    metrics_destroy(metrics);
}

static void a_removed_series_vanishes_and_the_others_stay(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    char name[32], line[128];
    for (int i = 0; i < METRICS_SERIES_MAX; i++) {
        snprintf(name, sizeof name, "m%d", i);
        metrics_observe(metrics, METRIC_BATCH_SIZE, i, name);
    }
    for (int i = 0; i < METRICS_SERIES_MAX; i += 3) {
        snprintf(name, sizeof name, "m%d", i);
        metrics_remove(metrics, METRIC_BATCH_SIZE, 1, name);
        metrics_remove(metrics, METRIC_BATCH_SIZE, 1,
                       name); /* nothing to remove: nothing happens */
    }
    for (int i = 0; i < METRICS_SERIES_MAX; i++)
        if (i % 3) {
            snprintf(name, sizeof name, "m%d", i);
            metrics_observe(metrics, METRIC_BATCH_SIZE, 0, name);
        }
    char *text = text_of(metrics);
    for (int i = 0; i < METRICS_SERIES_MAX; i++) {
        snprintf(line, sizeof line, "facepair_batch_size_sum{model=\"m%d\"} %d\n", i, i);
        assert_int_equal(has(text, line), i % 3 != 0);
        snprintf(line, sizeof line, "facepair_batch_size_count{model=\"m%d\"} 2\n", i);
        assert_int_equal(has(text, line), i % 3 != 0);
    }
    free(text);
    /* There is room again, and a series that comes back begins at 0. */
    metrics_observe(metrics, METRIC_BATCH_SIZE, 5, "m0");
    text = text_of(metrics);
    assert_true(has(text, "facepair_batch_size_sum{model=\"m0\"} 5\n"));
    assert_false(has(text, "facepair_batch_size_sum{model=\"other\"}"));
    free(text);
    metrics_destroy(metrics);
}

static void series_that_begin_alike_vanish_together(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    static const char *const versions[] = {"1", "12", "2"};
    for (size_t i = 0; i < 3; i++)
        for (int same = 0; same < 2; same++)
            metrics_add(metrics, METRIC_VERIFICATIONS, 1, "net", versions[i], "max_fmr",
                        same ? "same" : "different");
    metrics_add(metrics, METRIC_VERIFICATIONS, 1, "network", "1", "max_fmr", "same");
    metrics_remove(metrics, METRIC_VERIFICATIONS, 2, "net", "1");
    metrics_remove(metrics, METRIC_VERIFICATIONS, 2, "net", "7"); /* nothing happens */
    char *text = text_of(metrics);
    assert_int_equal(count_lines(text, "facepair_verifications_total"), 5);
    assert_null(strstr(text, "{model=\"net\",version=\"1\","));
    assert_non_null(strstr(text, "{model=\"net\",version=\"12\","));
    free(text);
    metrics_remove(metrics, METRIC_VERIFICATIONS, 1, "net");
    text = text_of(metrics);
    assert_int_equal(count_lines(text, "facepair_verifications_total"), 1);
    free(text);
    metrics_destroy(metrics);
}

static void two_tables_know_nothing_of_each_other(void **state) {
    (void)state;
    struct metrics *one = metrics_create(), *two = metrics_create();
    metrics_set(one, METRIC_READY, 1);
    char *text = text_of(two);
    assert_true(has(text, "facepair_ready 0\n"));
    free(text);
    metrics_destroy(one);
    metrics_destroy(two);
    metrics_destroy(NULL);
}

static void lower_a_counter(void *metrics) {
    metrics_add(metrics, METRIC_REJECTED, -1.0, "overloaded");
}

static void set_a_counter(void *metrics) {
    metrics_set(metrics, METRIC_REJECTED, 1.0, "overloaded");
}

static void observe_a_gauge(void *metrics) { metrics_observe(metrics, METRIC_READY, 1.0); }

static void add_to_a_histogram(void *metrics) { metrics_add(metrics, METRIC_BATCH_SIZE, 1.0, "m"); }

static void a_call_that_does_not_suit_the_family_is_a_programmers_error(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    assert_true(aborts(lower_a_counter, metrics));
    assert_true(aborts(set_a_counter, metrics));
    assert_true(aborts(observe_a_gauge, metrics));
    assert_true(aborts(add_to_a_histogram, metrics));
    metrics_destroy(metrics);
}

/* ---- many threads ---- */
enum { COUNTERS = 4, ROUNDS = 20000 };

static void *count_much(void *argument) {
    struct metrics *metrics = argument;
    static const char *const reasons[] = {"a", "b", "c"};
    for (int i = 0; i < ROUNDS; i++) {
        metrics_add(metrics, METRIC_REJECTED, 1, reasons[i % 3]);
        metrics_observe(metrics, METRIC_STAGE_DURATION, 0.5, reasons[i % 3]);
        metrics_add(metrics, METRIC_HTTP_IN_FLIGHT, i % 2 ? -1 : 1);
        if (i % 1000 == 0)
            metrics_remove(metrics, METRIC_QUEUE_LENGTH, 1, "q");
        metrics_set(metrics, METRIC_QUEUE_LENGTH, i, "q");
    }
    return NULL;
}

static void no_count_of_many_threads_is_lost(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    pthread_t threads[COUNTERS];
    for (int i = 0; i < COUNTERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_much, metrics), 0);
    free(text_of(metrics));
    for (int i = 0; i < COUNTERS; i++)
        pthread_join(threads[i], NULL);
    char *text = text_of(metrics);
    double rejected = 0, observed = 0;
    for (int reason = 'a'; reason <= 'c'; reason++) {
        char name[96];
        snprintf(name, sizeof name, "facepair_rejected_total{reason=\"%c\"}", reason);
        rejected += value_of(text, name);
        snprintf(name, sizeof name, "facepair_stage_duration_seconds_count{stage=\"%c\"}", reason);
        observed += value_of(text, name);
    }
    assert_true(rejected == COUNTERS * ROUNDS);
    assert_true(observed == COUNTERS * ROUNDS);
    assert_true(value_of(text, "facepair_http_in_flight") == 0);
    free(text);
    metrics_destroy(metrics);
}

/* ---- process_* ---- */
static unsigned count_descriptors(unsigned limit) {
    unsigned count = 0;
    for (unsigned fd = 0; fd < limit; fd++)
        count += fcntl((int)fd, F_GETFD) >= 0;
    return count;
}

static void the_process_tells_its_own_numbers(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    char *before = text_of(metrics);
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    size_t block_bytes = 64 << 20;
    char *block = malloc(block_bytes);
    assert_non_null(block);
    memset(block, 1, block_bytes);
    char *after = text_of(metrics);

    /* A test has few descriptors, and the lowest numbers are given first. */
    assert_true(value_of(after, "process_open_fds") == count_descriptors(10000));
    assert_true(value_of(before, "process_open_fds") == count_descriptors(10000) - 3);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    assert_true(value_of(after, "process_max_fds") == (double)limit.rlim_cur);
    double resident = value_of(after, "process_resident_memory_bytes");
    assert_true(resident - value_of(before, "process_resident_memory_bytes") >=
                (double)block_bytes * 0.9);
    assert_true(value_of(after, "process_virtual_memory_bytes") >= resident);
    assert_true(value_of(after, "process_cpu_seconds_total") >
                value_of(before, "process_cpu_seconds_total"));
    assert_true(value_of(after, "process_threads") >= 1);
    double start = value_of(after, "process_start_time_seconds");
    assert_true(start == value_of(before, "process_start_time_seconds"));
    assert_true(start <= (double)time(NULL) + 1 && start > (double)time(NULL) - 86400);

    for (int i = 0; i < 3; i++)
        close(fds[i]);
    free(block);
    free(before);
    free(after);
    metrics_destroy(metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_is_what_prometheus_reads),
        cmocka_unit_test(each_family_says_help_and_type_and_one_without_labels_its_value),
        cmocka_unit_test(label_values_are_escaped),
        cmocka_unit_test(label_values_that_print_alike_are_one_series),
        cmocka_unit_test(a_long_label_value_is_cut_between_characters),
        cmocka_unit_test(label_values_are_told_apart_where_their_joined_text_is_the_same),
        cmocka_unit_test(numbers_are_the_shortest_that_read_back_the_same),
        cmocka_unit_test(the_buckets_are_those_of_the_contract_and_include_their_bound),
        cmocka_unit_test(what_is_no_number_is_not_observed),
        cmocka_unit_test(beyond_the_limit_series_are_counted_together_as_other),
        cmocka_unit_test(a_removed_series_vanishes_and_the_others_stay),
        cmocka_unit_test(series_that_begin_alike_vanish_together),
        cmocka_unit_test(two_tables_know_nothing_of_each_other),
        cmocka_unit_test(a_call_that_does_not_suit_the_family_is_a_programmers_error),
        cmocka_unit_test(no_count_of_many_threads_is_lost),
        cmocka_unit_test(the_process_tells_its_own_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
