/* What the programs test_http_*.c begin with: a fixture for each test and the last answer. Included
 * by each of them once, behind cmocka.h. */
#ifndef FACEPAIR_TESTS_HTTP_TEST_H
#define FACEPAIR_TESTS_HTTP_TEST_H

#include "tests/unit/http_fixture.h"

#include <string.h>

#define LIVE "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define WAIT "POST /wait HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"

static struct fixture fixture;
static struct response response;

static inline int start(void **state) {
    (void)state;
    fixture_start(&fixture, NULL);
    return 0;
}

static inline int stop(void **state) {
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

static inline void ask(const char *text) { client_ask(fixture.port, text, &response); }

/* Of the last answer; overwritten by the next call. */
static inline const char *header(const char *name) {
    static char value[512];
    return response_header(&response, name, value, sizeof value);
}

static inline bool one_waits(struct fixture *f) { return fixture_waiting(f) == 1; }

static inline bool nothing_in_flight(struct fixture *f) {
    return fixture_metric(f, "facepair_http_in_flight") == 0;
}

static inline void assert_live(int fd) {
    client_say(fd, LIVE);
    client_read(fd, &response, false);
    assert_int_equal(response.status, 200);
}

static inline void assert_problem(int status, const char *code) {
    assert_int_equal(response.status, status);
    assert_memory_equal(response.body, code, strlen(code));
    assert_string_equal(header("Cache-Control"), "no-store");
    assert_int_not_equal(strlen(header("X-Request-Id")), 0);
}

#endif
