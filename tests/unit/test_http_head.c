/* What a request's header alone decides. */
#include "server/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/http_test.h"

static int start_with_origins(void **state) {
    (void)state;
    static const char *const origins[] = {"https://app.example", NULL};
    static const char *const hosts[] = {"facepair.example", NULL};
    fixture_start(&fixture,
                  &(struct fixture_options){.allowed_origins = origins, .allowed_hosts = hosts});
    return 0;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void answers_a_route(void **state) {
    (void)state;
    ask(GET("/livez"));
    assert_int_equal(response.status, 200);
    assert_string_equal(response.body, "ok");
    assert_string_equal(header("Cache-Control"), "");
}

static void a_segment_in_braces_is_given_raw(void **state) {
    (void)state;
    ask(GET("/items/name%401"));
    assert_int_equal(response.status, 200);
    assert_string_equal(response.body, "name%401");
}

static void other_escapes_are_not_undone(void **state) {
    (void)state;
    static const char *const paths[] = {"/items/a%00b", "/items/..%2Fx", "/%6civez", "/items/%",
                                        "/livez%20"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char text[256];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", paths[i]);
        ask(text);
        assert_problem(404, "not_found");
    }
}

static void unknown_paths_are_404(void **state) {
    (void)state;
    static const char *const paths[] = {"/",       "/livez/",    "//livez",
                                        "/items/", "/items/a/b", "/admin-only",
                                        "*",       "/LIVEZ",     "http://localhost/livez"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char text[256];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", paths[i]);
        ask(text);
        assert_problem(404, "not_found");
    }
}

static void another_method_is_405_with_allow(void **state) {
    (void)state;
    ask("DELETE /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_problem(405, "method_not_allowed");
    assert_string_equal(header("Allow"), "GET, HEAD");
    ask(GET("/upload"));
    assert_problem(405, "method_not_allowed");
    assert_string_equal(header("Allow"), "POST");
}

static void head_is_answered_where_get_is(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, "HEAD /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_read(fd, &response, true);
    assert_int_equal(response.status, 200);
    assert_string_equal(header("Content-Length"), "2");
    client_say(fd, GET("/livez")); /* nothing of a body stands in between */
    client_read(fd, &response, false);
    assert_int_equal(response.status, 200);
    close(fd);
}

static void an_empty_query_is_ignored_and_another_refused(void **state) {
    (void)state;
    ask(GET("/livez?"));
    assert_int_equal(response.status, 200);
    ask(GET("/livez?a=b"));
    assert_problem(400, "invalid_field");
}

static void the_clients_request_id_is_kept_when_well_formed(void **state) {
    (void)state;
    ask("GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: A.b_c~d-1\r\n\r\n");
    assert_string_equal(header("X-Request-Id"), "A.b_c~d-1");
    ask("GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: a b\r\n\r\n");
    assert_int_equal(strlen(header("X-Request-Id")), 32);
    assert_int_equal(strspn(header("X-Request-Id"), "0123456789abcdef"), 32);
}

static void exactly_one_host_is_needed(void **state) {
    (void)state;
    ask("GET /livez HTTP/1.1\r\n\r\n");
    assert_problem(400, "invalid_header");
    assert_string_equal(header("Connection"), "close");
    ask("GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n");
    assert_problem(400, "invalid_header");
    assert_string_equal(header("Connection"), "close");
}

static void other_hosts_are_misdirected_but_for_probes(void **state) {
    (void)state;
    ask("GET /items/a HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_problem(421, "misdirected_request");
    ask("GET /nothing HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_problem(421, "misdirected_request");
    ask("GET /livez HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_int_equal(response.status, 200);
    static const char *const allowed[] = {"localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]",
                                          "[::1]:8080"};
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        char text[256];
        snprintf(text, sizeof text, "GET /items/a HTTP/1.1\r\nHost: %s\r\n\r\n", allowed[i]);
        ask(text);
        assert_int_equal(response.status, 200);
    }
    static const char *const refused[] = {"localhost.evil.example",
                                          "localhost:80:80",
                                          "",
                                          "localhost:x",
                                          "[::1",
                                          "127.0.0.1.evil.example",
                                          "localhost.",
                                          "user@localhost",
                                          "0.0.0.0",
                                          "127.1",
                                          "[::]",
                                          "localhost/",
                                          "localhost,evil.example"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char text[256];
        snprintf(text, sizeof text, "GET /items/a HTTP/1.1\r\nHost: %s\r\n\r\n", refused[i]);
        ask(text);
        assert_problem(421, "misdirected_request");
    }
}

static void pages_of_other_origins_are_refused(void **state) {
    (void)state;
    static const char *const refused[] = {"Origin: https://evil.example", "Origin: null",
                                          "Sec-Fetch-Site: cross-site",
                                          "Origin: http://localhost:81"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char text[256];
        snprintf(text, sizeof text, "GET /items/a HTTP/1.1\r\nHost: localhost:80\r\n%s\r\n\r\n",
                 refused[i]);
        ask(text);
        assert_problem(403, "origin_not_allowed");
    }
    ask("GET /items/a HTTP/1.1\r\nHost: localhost:80\r\nOrigin: http://localhost:80\r\n"
        "Sec-Fetch-Site: same-origin\r\n\r\n");
    assert_int_equal(response.status, 200);
    assert_string_equal(header("Vary"), "");
}

static void a_listed_origin_is_told_so_on_errors_too(void **state) {
    (void)state;
    ask("GET /items/a HTTP/1.1\r\nHost: facepair.example\r\nOrigin: https://app.example\r\n"
        "Sec-Fetch-Site: cross-site\r\n\r\n");
    assert_int_equal(response.status, 200);
    assert_string_equal(header("Access-Control-Allow-Origin"), "https://app.example");
    ask("GET /nothing HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\n\r\n");
    assert_problem(404, "not_found");
    assert_string_equal(header("Access-Control-Allow-Origin"), "https://app.example");
    assert_string_equal(header("Vary"), "Origin");
    ask(GET("/livez"));
    assert_string_equal(header("Vary"), "Origin");
    assert_string_equal(header("Access-Control-Allow-Origin"), "");
    ask("GET /items/a HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example.evil\r\n\r\n");
    assert_problem(403, "origin_not_allowed");
    assert_string_equal(header("Access-Control-Allow-Origin"), "");
}

static void a_preflight_of_a_listed_origin_is_204(void **state) {
    (void)state;
    ask("OPTIONS /upload HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\n"
        "Access-Control-Request-Method: POST\r\n\r\n");
    assert_int_equal(response.status, 204);
    assert_string_equal(header("Access-Control-Allow-Methods"), "POST");
    assert_non_null(strstr(header("Access-Control-Allow-Headers"), "Idempotency-Key"));
    assert_string_equal(header("Access-Control-Allow-Origin"), "https://app.example");
    ask("OPTIONS /upload HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_problem(405, "method_not_allowed");
}

static void a_body_needs_a_known_type(void **state) {
    (void)state;
    static const char *const types[] = {
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: multipart/form-data\r\n",
        "Content-Type: multipart/form-data; boundary=\r\n",
        "Content-Type: multipart/form-data; boundary=a; boundary=b\r\n",
        "Content-Type: multipart/form-data; boundary=\"a\r\n",
        "Content-Type: application/json; charset=latin1\r\n",
        "Content-Type: application/jsonx\r\n",
        "Content-Type: application/json\r\nContent-Encoding: gzip\r\n"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "POST /upload HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: 2\r\n\r\n{}",
                 types[i]);
        ask(text);
        assert_problem(415, "unsupported_media_type");
    }
    static const char *const good[] = {"application/json", "Application/JSON; charset=UTF-8",
                                       "application/json;charset=\"utf-8\""};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\n"
                 "Content-Length: 2\r\n\r\n{}",
                 good[i]);
        ask(text);
        assert_int_equal(response.status, 200);
        assert_string_equal(response.body, "json=2;");
    }
}

static void a_header_past_its_limit_is_431(void **state) {
    (void)state;
    size_t size = 17 * 1024;
    char *text = malloc(size + 128);
    int begun = snprintf(text, 128, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: ");
    memset(text + begun, 'a', size);
    memcpy(text + begun + size, "\r\n\r\n", sizeof "\r\n\r\n");
    ask(text);
    assert_problem(431, "headers_too_large");
    free(text);
}

static void a_header_far_past_its_limit_ends_the_connection(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: ");
    char *text = malloc(256 * 1024);
    memset(text, 'a', 256 * 1024);
    client_send(fd, text, 256 * 1024);
    free(text);
    client_read(fd, &response, false);
    assert_true(response.status == 431 || response.status == 0); /* libmicrohttpd's own */
    close(fd);
    assert_int_equal(atomic_load(&fixture.finished), 0);
}

static bool counted(const char *labels, double times) {
    char series[256];
    snprintf(series, sizeof series, "facepair_http_requests_total{%s}", labels);
    return fixture_metric(&fixture, series) == times;
}

static void answers_are_counted_by_route_method_and_code(void **state) {
    (void)state;
    ask(GET("/items/a"));
    ask(GET("/items/b"));
    ask(GET("/secret-path"));
    ask("BREW /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_true(counted("route=\"/items/{item}\",method=\"GET\",code=\"200\"", 2));
    assert_true(counted("route=\"unmatched\",method=\"GET\",code=\"404\"", 1));
    assert_true(counted("route=\"unmatched\",method=\"other\",code=\"405\"", 1));
    assert_true(fixture_metric(&fixture, "facepair_http_request_duration_seconds_count{route="
                                         "\"/items/{item}\"}") == 2);
}

/* One line on stderr for each answer. */
static void an_answer_is_logged_with_its_id_and_trace(void **state) {
    (void)state;
    char path[] = "/tmp/facepair-log-XXXXXX", line[2048];
    int file = mkstemp(path), saved = dup(STDERR_FILENO);
    assert_true(file >= 0 && saved >= 0);
    dup2(file, STDERR_FILENO);
    log_set_level(LOG_INFO);
    ask("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "X-Request-Id: my-id\r\nContent-Length: 2\r\n"
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n{}");
    ask(GET("/livez"));
    log_set_level(LOG_OFF);
    dup2(saved, STDERR_FILENO);
    ssize_t size = pread(file, line, sizeof line - 1, 0);
    close(saved);
    close(file);
    unlink(path);
    assert_true(size > 0);
    line[size] = '\0';
    assert_ptr_equal(strchr(line, '\n'), line + size - 1); /* the probe's is at debug */
    static const char *const expected[] = {"\"event\":\"request\"", "\"request_id\":\"my-id\"",
                                           "\"route\":\"/upload\"", "\"status\":200",
                                           "\"bytes_in\":2",        "-b7ad6b7169203331-01\""};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_non_null(strstr(line, expected[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_a_route, start, stop),
        cmocka_unit_test_setup_teardown(a_segment_in_braces_is_given_raw, start, stop),
        cmocka_unit_test_setup_teardown(other_escapes_are_not_undone, start, stop),
        cmocka_unit_test_setup_teardown(unknown_paths_are_404, start, stop),
        cmocka_unit_test_setup_teardown(another_method_is_405_with_allow, start, stop),
        cmocka_unit_test_setup_teardown(head_is_answered_where_get_is, start, stop),
        cmocka_unit_test_setup_teardown(an_empty_query_is_ignored_and_another_refused, start, stop),
        cmocka_unit_test_setup_teardown(the_clients_request_id_is_kept_when_well_formed, start,
                                        stop),
        cmocka_unit_test_setup_teardown(exactly_one_host_is_needed, start, stop),
        cmocka_unit_test_setup_teardown(other_hosts_are_misdirected_but_for_probes, start, stop),
        cmocka_unit_test_setup_teardown(pages_of_other_origins_are_refused, start, stop),
        cmocka_unit_test_setup_teardown(a_listed_origin_is_told_so_on_errors_too,
                                        start_with_origins, stop),
        cmocka_unit_test_setup_teardown(a_preflight_of_a_listed_origin_is_204, start_with_origins,
                                        stop),
        cmocka_unit_test_setup_teardown(a_body_needs_a_known_type, start, stop),
        cmocka_unit_test_setup_teardown(answers_are_counted_by_route_method_and_code, start, stop),
        cmocka_unit_test_setup_teardown(an_answer_is_logged_with_its_id_and_trace, start, stop),
        cmocka_unit_test_setup_teardown(a_header_past_its_limit_is_431, start, stop),
        cmocka_unit_test_setup_teardown(a_header_far_past_its_limit_ends_the_connection, start,
                                        stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
