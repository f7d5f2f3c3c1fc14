/* Bodies that are handed on as they come, parameters of a query, and answers that are written as
 * they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/http_test.h"

static int start_impatient(void **state) {
    (void)state;
    fixture_start(&fixture, &(struct fixture_options){.body_ms_max = 300, .answer_ms_max = 200});
    return 0;
}

#define STREAM(query) "PUT /stream" query " HTTP/1.1\r\nHost: localhost\r\n"
#define PLAIN STREAM("") "Content-Type: application/x-tar\r\n"

static void every_byte_arrives_though_the_application_takes_few_at_a_time(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, PLAIN "Content-Length: 3000001\r\n\r\n");
    assert_true(client_send_zeros(fd, 3000001));
    client_read(fd, &response, false);
    assert_string_equal(response.body, "stream=3000001,note=(none)");
    client_say(fd, PLAIN "Transfer-Encoding: chunked\r\n\r\n7D0\r\n"); /* on the same connection */
    client_send_zeros(fd, 2000);
    client_say(fd, "\r\n0\r\n\r\n");
    client_read(fd, &response, false);
    assert_string_equal(response.body, "stream=2000,note=(none)");
    close(fd);
}

static void no_type_is_as_good_as_the_right_one_and_another_is_415(void **state) {
    (void)state;
    ask(STREAM("") "Content-Length: 1\r\n\r\nx");
    assert_string_equal(response.body, "stream=1,note=(none)");
    ask(STREAM("") "Content-Type: application/gzip\r\nContent-Length: 1\r\n\r\nx");
    assert_int_equal(response.status, 200);
    ask(STREAM("") "Content-Type: text/plain\r\nContent-Length: 1\r\n\r\nx");
    assert_problem(415, "unsupported_media_type");
}

static void a_refusal_in_the_middle_is_answered_before_the_body_ends(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, PLAIN "Content-Length: 8000000\r\n\r\nabc!");
    client_read(fd, &response, false);
    assert_problem(400, "invalid_field");
    assert_string_equal(header("Connection"), "close");
    assert_true(client_ended(fd));
    close(fd);
    assert_true(fixture_metric(&fixture, "facepair_http_requests_total{route=\"/stream\",method="
                                         "\"PUT\",code=\"400\"}") == 1);
}

static void what_follows_such_a_refusal_is_dropped_and_the_answer_survives(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, PLAIN "Content-Length: 4000001\r\n\r\n!");
    assert_true(client_send_zeros(fd, 4000000));
    client_read(fd, &response, false);
    assert_problem(400, "invalid_field");
    assert_true(client_ended(fd));
    close(fd);
}

static void a_stream_past_its_limit_is_413(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, PLAIN "Content-Length: 8388609\r\n\r\n");
    client_read(fd, &response, false);
    assert_problem(413, "body_too_large");
    close(fd);
    fd = client_connect(fixture.port);
    client_say(fd, PLAIN "Transfer-Encoding: chunked\r\n\r\n800001\r\n");
    client_send_zeros(fd, 8388609);
    client_read(fd, &response, false);
    assert_problem(413, "body_too_large");
    close(fd);
}

/* A minute's deadline for the body: only the rate that every body must keep is looked at here, and
 * that not before five seconds. */
static void a_refused_stream_that_keeps_to_the_rate_is_answered(void **state) {
    (void)state;
    enum { PIECES = 28, PIECE = 10 * 1000 };
    int fd = client_connect(fixture.port);
    char text[256];
    snprintf(text, sizeof text, STREAM("?note=refused") "Content-Length: %d\r\n\r\n",
             PIECES * PIECE);
    client_say(fd, text);
    for (int i = 0; i < PIECES; i++) {
        usleep(200 * 1000);
        assert_true(client_send_zeros(fd, PIECE));
    }
    client_read(fd, &response, false);
    assert_problem(503, "overloaded");
    close(fd);
}

static void a_client_that_leaves_is_released(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, PLAIN "Content-Length: 8000000\r\n\r\n");
    client_send_zeros(fd, 5000);
    close(fd);
    for (int i = 0; i < 1000 && atomic_load(&fixture.released) == 0; i++)
        usleep(10000);
    assert_int_equal(atomic_load(&fixture.released), 1);
}

static void a_stream_may_take_longer_than_another_body_but_not_fall_silent(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, PLAIN "Content-Length: 500005\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        client_send_zeros(fd, 100001);
        usleep(150 * 1000);
    }
    client_read(fd, &response, false);
    assert_string_equal(response.body, "stream=500005,note=(none)");
    client_say(fd, PLAIN "Content-Length: 500000\r\n\r\nx");
    assert_true(client_ended(fd));
    close(fd);
}

static void a_parameter_has_its_escapes_undone(void **state) {
    (void)state;
    ask(STREAM("?note=a%20b%3a%C3%A4") "Content-Length: 1\r\n\r\nx");
    assert_string_equal(response.body, "stream=1,note=a b:\xc3\xa4");
    ask(STREAM("?note=") "Content-Length: 1\r\n\r\nx");
    assert_string_equal(response.body, "stream=1,note=");
}

static void a_parameter_that_is_unknown_or_repeated_or_no_text_is_refused(void **state) {
    (void)state;
    ask(STREAM("?nota=1") "Content-Length: 1\r\n\r\nx");
    assert_problem(400, "unknown_field");
    ask(STREAM("?note=1&other=2&note=1") "Content-Length: 1\r\n\r\nx");
    assert_problem(400, "duplicate_field");
    static const char *const broken[] = {"%", "%4", "%zz", "%00", "a%0a"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "PUT /stream?note=%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx",
                 broken[i]);
        ask(text);
        assert_problem(400, "invalid_field");
    }
}

/* ---- answers ---- */

/* What comes until `end` does, without the framing of chunks. */
static void read_until(int fd, const char *end, char *text, size_t size) {
    size_t have = 0;
    text[0] = '\0';
    while (!strstr(text, end) && have + 1 < size && recv(fd, text + have, 1, 0) == 1)
        text[++have] = '\0';
    assert_non_null(strstr(text, end));
}

static int open_events(void) {
    int fd = client_connect(fixture.port);
    unsigned before = atomic_load(&fixture.finished);
    client_say(fd, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    while (atomic_load(&fixture.finished) == before)
        usleep(1000);
    return fd;
}

static void what_is_written_arrives_while_the_answer_goes_on(void **state) {
    (void)state;
    char text[1024];
    int fd = open_events();
    assert_true(fixture_write(&fixture, "first"));
    read_until(fd, "first\r\n", text, sizeof text);
    assert_non_null(strstr(text, "Content-Type: text/event-stream\r\n"));
    usleep(400 * 1000); /* past the deadline of other answers */
    assert_true(fixture_write(&fixture, "second"));
    read_until(fd, "second\r\n", text, sizeof text);
    fixture_end(&fixture);
    read_until(fd, "0\r\n\r\n", text, sizeof text);
    client_say(fd, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_read(fd, &response, false);
    assert_int_equal(response.status, 200);
    close(fd);
}

static void a_client_that_leaves_a_stream_is_noticed(void **state) {
    (void)state;
    int fd = open_events();
    close(fd);
    for (int i = 0; i < 1000 && atomic_load(&fixture.released) == 0; i++)
        usleep(10000);
    assert_int_equal(atomic_load(&fixture.released), 1);
    assert_int_equal(atomic_load(&fixture.abandoned), 1);
}

static void a_client_that_does_not_read_is_told_of(void **state) {
    (void)state;
    char line[201];
    memset(line, 'x', 200);
    line[200] = '\0';
    int fd = open_events();
    bool refused = false;
    for (int i = 0; i < 200000 && !refused; i++)
        refused = !fixture_write(&fixture, line) && !fixture_write(&fixture, line);
    assert_true(refused);
    close(fd);
    for (int i = 0; i < 1000 && atomic_load(&fixture.released) == 0; i++)
        usleep(10000);
    assert_int_equal(atomic_load(&fixture.released), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
        TEST(every_byte_arrives_though_the_application_takes_few_at_a_time),
        TEST(no_type_is_as_good_as_the_right_one_and_another_is_415),
        TEST(a_refusal_in_the_middle_is_answered_before_the_body_ends),
        TEST(what_follows_such_a_refusal_is_dropped_and_the_answer_survives),
        TEST(a_stream_past_its_limit_is_413),
        TEST(a_refused_stream_that_keeps_to_the_rate_is_answered),
        TEST(a_client_that_leaves_is_released),
        cmocka_unit_test_setup_teardown(
            a_stream_may_take_longer_than_another_body_but_not_fall_silent, start_impatient, stop),
        TEST(a_parameter_has_its_escapes_undone),
        TEST(a_parameter_that_is_unknown_or_repeated_or_no_text_is_refused),
        cmocka_unit_test_setup_teardown(what_is_written_arrives_while_the_answer_goes_on,
                                        start_impatient, stop),
        TEST(a_client_that_leaves_a_stream_is_noticed),
        TEST(a_client_that_does_not_read_is_told_of),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
