/* Bodies: collected under their limits, refused without losing the answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/http_test.h"

#define UPLOAD "POST /upload HTTP/1.1\r\nHost: localhost\r\n"
#define MULTIPART "Content-Type: multipart/form-data; boundary=B\r\n"
#define JSON "Content-Type: application/json\r\n"
#define PART(name) "--B\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"
#define SMALL PART("image1") "abc\r\n" PART("image1") "de\r\n" PART("model") "m\r\n--B--\r\n"

static void say_declared(int fd, const char *path, const char *type, size_t size) {
    char text[512];
    snprintf(text, sizeof text,
             "POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n", path, type,
             size);
    client_say(fd, text);
}

static void send_zero_chunks(int fd, size_t size) {
    for (; size >= 64 * 1024; size -= 64 * 1024) {
        client_say(fd, "10000\r\n");
        client_send_zeros(fd, 64 * 1024);
        client_say(fd, "\r\n");
    }
}

static void assert_still_usable(int fd) {
    client_say(fd, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_read(fd, &response, false);
    assert_int_equal(response.status, 200);
    close(fd);
}

static void parts_reach_the_application(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    say_declared(fd, "/upload", MULTIPART, strlen(SMALL));
    client_say(fd, SMALL);
    client_read(fd, &response, false);
    assert_int_equal(response.status, 200);
    assert_string_equal(response.body, "image1=3;image1=2;model=1;");
    assert_string_equal(header("Cache-Control"), "no-store");
    assert_still_usable(fd);
}

static void one_byte_at_a_time_is_the_same(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    char text[1024];
    int size = snprintf(text, sizeof text, UPLOAD MULTIPART "Content-Length: %zu\r\n\r\n" SMALL,
                        strlen(SMALL));
    for (int i = 0; i < size; i++) {
        client_send(fd, text + i, 1);
        usleep(200);
    }
    client_read(fd, &response, false);
    assert_string_equal(response.body, "image1=3;image1=2;model=1;");
    close(fd);
}

static void chunks_are_the_same(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, UPLOAD MULTIPART "Transfer-Encoding: chunked\r\n\r\n");
    for (const char *at = SMALL; *at; at++) {
        char chunk[16];
        snprintf(chunk, sizeof chunk, "1;x=y\r\n%c\r\n", *at);
        client_say(fd, chunk);
    }
    client_say(fd, "0\r\n\r\n");
    client_read(fd, &response, false);
    assert_string_equal(response.body, "image1=3;image1=2;model=1;");
    assert_still_usable(fd);
}

static void a_large_file_arrives_whole(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    size_t body = strlen(PART("image1")) + FIXTURE_FILE_MAX + strlen("\r\n--B--\r\n");
    say_declared(fd, "/upload", MULTIPART, body);
    client_say(fd, PART("image1"));
    client_send_zeros(fd, FIXTURE_FILE_MAX);
    client_say(fd, "\r\n--B--\r\n");
    client_read(fd, &response, false);
    char expected[64];
    snprintf(expected, sizeof expected, "image1=%d;", FIXTURE_FILE_MAX);
    assert_string_equal(response.body, expected);
    assert_still_usable(fd);
}

static void a_file_past_its_limit_is_413_after_the_body(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    size_t body = strlen(PART("image1")) + FIXTURE_FILE_MAX + 1 + strlen("\r\n--B--\r\n");
    say_declared(fd, "/upload", MULTIPART, body);
    client_say(fd, PART("image1"));
    client_send_zeros(fd, FIXTURE_FILE_MAX + 1);
    client_say(fd, "\r\n--B--\r\n");
    client_read(fd, &response, false);
    assert_problem(413, "body_too_large");
    assert_still_usable(fd);
    assert_int_equal(atomic_load(&fixture.finished), 1); /* only /livez */
}

static void broken_multipart_is_400_and_the_connection_goes_on(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    static const char body[] = PART("image1") "abc\r\n--Bx--\r\n";
    say_declared(fd, "/upload", MULTIPART, strlen(body));
    client_say(fd, body);
    client_read(fd, &response, false);
    assert_problem(400, "invalid_multipart");
    assert_still_usable(fd);
}

static void an_empty_body_is_invalid_multipart(void **state) {
    (void)state;
    client_ask(fixture.port, UPLOAD MULTIPART "Content-Length: 0\r\n\r\n", &response);
    assert_problem(400, "invalid_multipart");
    client_ask(fixture.port, UPLOAD MULTIPART "\r\n", &response);
    assert_problem(400, "invalid_multipart");
}

static void a_body_where_none_is_taken_is_413(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, "GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc");
    client_read(fd, &response, false);
    assert_problem(413, "body_too_large");
    assert_still_usable(fd);
}

static void a_small_refused_body_is_read_first_and_the_connection_goes_on(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    say_declared(fd, "/denied", MULTIPART, 2 * 1024 * 1024);
    client_send_zeros(fd, 2 * 1024 * 1024);
    client_read(fd, &response, false);
    assert_problem(503, "overloaded");
    assert_string_equal(header("Connection"), "");
    assert_still_usable(fd);
    assert_int_equal(atomic_load(&fixture.finished), 1); /* only /livez */
}

/* The client sends all of its body before it reads: the answer must survive that. */
static void a_large_declared_body_is_answered_at_once_and_the_answer_survives(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    say_declared(fd, "/upload", MULTIPART, 20 * 1000 * 1000);
    assert_true(client_send_zeros(fd, 20 * 1000 * 1000)); /* without a reset */
    client_read(fd, &response, false);
    assert_problem(413, "body_too_large");
    assert_string_equal(header("Connection"), "close");
    assert_true(client_ended(fd));
    close(fd);
}

static void an_answer_does_not_wait_for_a_body_held_back(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, UPLOAD MULTIPART "Expect: 100-continue\r\nContent-Length: 30000000\r\n\r\n");
    client_read(fd, &response, false);
    assert_problem(413, "body_too_large");
    close(fd);
    fd = client_connect(fixture.port);
    client_say(fd, "POST /denied HTTP/1.1\r\nHost: localhost\r\n" MULTIPART
                   "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n");
    client_read(fd, &response, false);
    assert_problem(503, "overloaded");
    close(fd);
}

static void a_body_that_is_expected_is_asked_for(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, UPLOAD JSON "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    client_read(fd, &response, true);
    assert_int_equal(response.status, 100);
    client_say(fd, "{}");
    client_read(fd, &response, false);
    assert_string_equal(response.body, "json=2;");
    close(fd);
}

static void a_chunked_body_past_its_limit_is_413_when_it_ends(void **state) {
    (void)state;
    static const char *const types[] = {MULTIPART, JSON};
    for (size_t i = 0; i < 2; i++) {
        int fd = client_connect(fixture.port);
        client_say(fd, UPLOAD);
        client_say(fd, types[i]);
        client_say(fd, "Transfer-Encoding: chunked\r\n\r\n");
        send_zero_chunks(fd, FIXTURE_MULTIPART_MAX + 1024 * 1024);
        client_say(fd, "0\r\n\r\n");
        client_read(fd, &response, false);
        assert_problem(413, "body_too_large");
        assert_still_usable(fd);
    }
}

static void a_chunked_body_that_never_ends_is_cut_off(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, UPLOAD JSON "Transfer-Encoding: chunked\r\n\r\n");
    send_zero_chunks(fd, FIXTURE_MULTIPART_MAX + 1024 * 1024);
    assert_true(client_ended(fd));
    close(fd);
}

static void a_refused_chunked_body_is_answered_at_once(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, "POST /nothing HTTP/1.1\r\nHost: localhost\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n");
    client_read(fd, &response, false);
    assert_problem(404, "not_found");
    assert_string_equal(header("Connection"), "close");
    close(fd);
}

static void json_up_to_its_limit_is_kept(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    say_declared(fd, "/upload", JSON, FIXTURE_JSON_MAX);
    client_send_zeros(fd, FIXTURE_JSON_MAX);
    client_read(fd, &response, false);
    char expected[64];
    snprintf(expected, sizeof expected, "json=%d;", FIXTURE_JSON_MAX);
    assert_string_equal(response.body, expected);
    say_declared(fd, "/upload", JSON, FIXTURE_JSON_MAX + 1);
    client_read(fd, &response, false);
    assert_problem(413, "body_too_large");
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
        TEST(parts_reach_the_application),
        TEST(one_byte_at_a_time_is_the_same),
        TEST(chunks_are_the_same),
        TEST(a_large_file_arrives_whole),
        TEST(a_file_past_its_limit_is_413_after_the_body),
        TEST(broken_multipart_is_400_and_the_connection_goes_on),
        TEST(an_empty_body_is_invalid_multipart),
        TEST(a_body_where_none_is_taken_is_413),
        TEST(a_small_refused_body_is_read_first_and_the_connection_goes_on),
        TEST(a_large_declared_body_is_answered_at_once_and_the_answer_survives),
        TEST(an_answer_does_not_wait_for_a_body_held_back),
        TEST(a_body_that_is_expected_is_asked_for),
        TEST(a_chunked_body_past_its_limit_is_413_when_it_ends),
        TEST(a_chunked_body_that_never_ends_is_cut_off),
        TEST(a_refused_chunked_body_is_answered_at_once),
        TEST(json_up_to_its_limit_is_kept),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
