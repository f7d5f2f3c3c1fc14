/* The measured columns of a card: what is written reads back, and what cannot be is refused. */
#include "model/card_measured.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RATES                                                                                      \
    "\"error_rates\":{\"threshold\":[0.1,0.5],\"fmr\":[0,1],\"fmr_low\":[0,1],\"fmr_high\":[0.1,"  \
    "1],"                                                                                          \
    "\"fnmr\":[1,0],\"fnmr_low\":[0.9,0],\"fnmr_high\":[1,0]}"
#define PROBABILITY "\"probability\":{\"distance\":[0.4,0.6],\"log_likelihood_ratio\":[3,-3]}"

static enum status read_text(const char *text, struct card_measured *measured, struct error *err) {
    struct json_reader *reader;
    assert_int_equal(json_reader_open(text, strlen(text), &reader, err), STATUS_OK);
    struct json_node root = json_root(reader);
    memset(measured, 0, sizeof(*measured));
    card_measured_read(&root, measured);
    return json_reader_close(reader, err);
}

static void reads_both_tables(void **state) {
    (void)state;
    struct card_measured measured;
    assert_int_equal(read_text("{" RATES "," PROBABILITY "}", &measured, NULL), STATUS_OK);
    assert_int_equal(measured.error_rates.count, 2);
    assert_true(measured.error_rates.points[0].threshold == 0.1);
    assert_true(measured.error_rates.points[0].fmr_interval.high == 0.1);
    assert_true(measured.error_rates.points[0].fnmr_interval.low == 0.9);
    assert_true(measured.error_rates.points[1].fmr == 1);
    assert_int_equal(measured.calibration.count, 2);
    assert_true(measured.calibration.points[1].distance == 0.6);
    assert_true(measured.calibration.points[1].llr == -3);
}

static void a_card_may_have_neither(void **state) {
    (void)state;
    struct card_measured measured;
    assert_int_equal(read_text("{\"probability\":null}", &measured, NULL), STATUS_OK);
    assert_int_equal(measured.error_rates.count, 0);
    assert_int_equal(measured.calibration.count, 0);
}

static void what_is_written_reads_back(void **state) {
    (void)state;
    static const struct card_measured measured = {
        .error_rates = {.count = 3,
                        .points = {{0.00005, 0, 1, {0, 0.001}, {0.99, 1}},
                                   {0.54185, 0.000999123, 0.08, {0.0007, 0.0013}, {0.07, 0.09}},
                                   {1.3, 1, 0, {0.999, 1}, {0, 0.002}}}},
        .calibration = {.count = 2, .points = {{0.4775, 8.125}, {0.8, -5.5}}}};
    struct json_writer *json = json_writer_create();
    json_write_object(json, NULL);
    card_measured_write(json, &measured, "a test");
    json_write_end(json);
    size_t size;
    char *text = json_writer_finish(json, &size);
    assert_non_null(text);
    struct card_measured read;
    assert_int_equal(read_text(text, &read, NULL), STATUS_OK);
    free(text);
    assert_int_equal(read.error_rates.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal(&read.error_rates.points[i], &measured.error_rates.points[i],
                            sizeof(struct error_rates_point));
    assert_int_equal(read.calibration.count, 2);
    assert_memory_equal(read.calibration.points, measured.calibration.points,
                        2 * sizeof(struct calibration_point));
}

static void faulty_tables_are_refused_with_the_place(void **state) {
    (void)state;
    static const struct {
        const char *text, *named;
    } cases[] = {
        {"{\"error_rates\":{\"threshold\":[0.1]}}", "threshold"},
        {"{\"error_rates\":{\"threshold\":[0.1,0.1],\"fmr\":[0,1]}}", "threshold"},
        {"{\"error_rates\":{\"threshold\":[0.1,0.2],\"fmr\":[0,1,1]}}", "fmr"},
        {"{\"error_rates\":{\"threshold\":[0.1,0.2],\"fmr\":[0.5,0.4]}}", "fmr"},
        {"{\"error_rates\":{\"threshold\":[0.1,0.2],\"fmr\":[0,1.5]}}", "fmr[1]"},
        {"{\"error_rates\":{\"threshold\":[0.1,0.2],\"fmr\":[0,\"1\"]}}", "fmr[1]"},
        {"{\"error_rates\":{\"threshold\":[0.1,0.2],\"fmr\":[0,1]}}", "fmr_low"},
        {"{\"error_rates\":7}", "error_rates"},
        {"{\"probability\":{\"distance\":[0.4,0.6],\"log_likelihood_ratio\":[-3,3]}}",
         "log_likelihood_ratio"},
        {"{\"probability\":{\"distance\":[0.4,0.6],\"log_likelihood_ratio\":[3]}}",
         "log_likelihood_ratio"},
        {"{\"probability\":{\"distance\":[0.6,0.4],\"log_likelihood_ratio\":[3,-3]}}", "distance"},
        {"{\"probability\":{\"distance\":[],\"log_likelihood_ratio\":[]}}", "distance"},
        {"{\"probability\":{\"distance\":[0.4,0.6],\"log_likelihood_ratio\":[300,-3]}}",
         "log_likelihood_ratio[0]"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct card_measured measured;
        struct error err = {""};
        assert_int_equal(read_text(cases[i].text, &measured, &err), STATUS_INVALID_FIELD);
        assert_non_null(strstr(err.detail, cases[i].named));
    }
}

static void a_column_longer_than_the_limit_is_refused(void **state) {
    (void)state;
    char text[8192] = "{\"error_rates\":{\"threshold\":[0";
    for (int i = 0; i < ERROR_RATES_POINTS_MAX; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), ",%d", i + 1);
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "]}}");
    struct card_measured measured;
    struct error err;
    assert_int_equal(read_text(text, &measured, &err), STATUS_INVALID_FIELD);
    assert_non_null(strstr(err.detail, "more than 256"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_both_tables),
        cmocka_unit_test(a_card_may_have_neither),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(faulty_tables_are_refused_with_the_place),
        cmocka_unit_test(a_column_longer_than_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
