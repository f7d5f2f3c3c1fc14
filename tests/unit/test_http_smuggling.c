/* Requests that two readers may cut differently. Whatever libmicrohttpd makes of them, out of the
 * bytes of one there comes at most one request: each test puts a second request where a body or a
 * header line would hide it, and counts. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/http_test.h"

#define HIDDEN "GET /items/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"

/* Everything that comes back until the server closes; the client half-closes first when it has
 * nothing more to say. */
static size_t converse(const char *bytes, size_t size, char *text, size_t text_size) {
    int fd = client_connect(fixture.port);
    client_send(fd, bytes, size);
    shutdown(fd, SHUT_WR);
    size_t got = 0;
    ssize_t piece;
    while (got + 1 < text_size && (piece = recv(fd, text + got, text_size - 1 - got, 0)) > 0)
        got += (size_t)piece;
    text[got] = '\0';
    close(fd);
    return got;
}

/* Counted by their framing, as a client reads them: libmicrohttpd writes the header of its own
 * answer to a malformed Content-Length twice, and the second is then the first one's body. */
static unsigned answers(const char *text) {
    unsigned count = 0;
    while (strncmp(text, "HTTP/1.1 ", 9) == 0) {
        count++;
        const char *length = strstr(text, "Content-Length: "), *body = strstr(text, "\r\n\r\n");
        assert_true(length && body && length < body);
        size_t size = strtoul(length + strlen("Content-Length: "), NULL, 10);
        text = body + 4 + (strlen(body + 4) < size ? strlen(body + 4) : size);
    }
    return count;
}

/* One answer, with this status, a line of its header and words of its body; the hidden request is
 * not seen. */
static void assert_answer(const char *bytes, size_t size, int status, const char *line,
                          const char *words) {
    char text[16 * 1024], first[16];
    converse(bytes, size, text, sizeof text);
    snprintf(first, sizeof first, "HTTP/1.1 %d ", status);
    assert_int_equal(answers(text), 1);
    assert_memory_equal(text, first, strlen(first));
    assert_non_null(strstr(text, line));
    assert_non_null(strstr(strstr(text, "\r\n\r\n"), words));
    assert_null(strstr(text, "hidden"));
}

static void assert_refused_with(const char *bytes, size_t size, int status, const char *words) {
    assert_answer(bytes, size, status, "\r\nConnection: close\r\n", words);
    assert_int_equal(atomic_load(&fixture.finished), 0);
}

static void assert_refused(const char *bytes) {
    assert_refused_with(bytes, strlen(bytes), 400, "\r\n\r\ninvalid_header: ");
}

/* By libmicrohttpd, whose own words are HTML. */
static void assert_refused_below(const char *bytes, size_t size, int status) {
    assert_refused_with(bytes, size, status, "<html>");
}

/* The application took one request, and of the bytes behind its header so many as its body. */
static void assert_one_upload(const char *bytes, size_t size, size_t body_size) {
    char words[32] = "\r\n\r\n";
    if (body_size > 0)
        snprintf(words, sizeof words, "\r\n\r\njson=%zu;", body_size);
    assert_answer(bytes, size, 200, "\r\nX-Request-Id: ", words);
    assert_int_equal(atomic_load(&fixture.finished), 1);
}

#define POST "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"

static void two_content_lengths(void **state) {
    (void)state;
    assert_refused(POST "Content-Length: 0\r\nContent-Length: 50\r\n\r\n" HIDDEN);
    assert_refused(POST "Content-Length: 50\r\nContent-Length: 0\r\n\r\n" HIDDEN);
    assert_refused(POST "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" HIDDEN);
}

static void malformed_content_lengths(void **state) {
    (void)state;
    static const struct {
        const char *length;
        int status;
    } cases[] = {
        {"+0", 400},  {"-1", 400},  {"0x0", 400}, {"", 400},      {" ", 400},
        {"1e1", 400}, {"0 0", 400}, {"0\v", 400}, {"0, 50", 400}, {"99999999999999999999", 413}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        int size =
            snprintf(text, sizeof text, POST "Content-Length: %s\r\n\r\n" HIDDEN, cases[i].length);
        assert_refused_below(text, (size_t)size, cases[i].status);
    }
}

static void content_length_with_transfer_encoding(void **state) {
    (void)state;
    assert_refused(POST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN);
    assert_refused(POST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n" HIDDEN);
    assert_refused(POST
                   "Transfer-Encoding: chunked\r\ncontent-length: 500\r\n\r\n0\r\n\r\n" HIDDEN);
}

static void transfer_encodings_other_than_chunked(void **state) {
    (void)state;
    static const char *const encodings[] = {
        "gzip, chunked",    "chunked, gzip", "identity", "xchunked",
        "chunked, chunked", "chunked;q=1",   "",         "\"chunked\"",
        "chunked,"};
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
        char text[1024];
        snprintf(text, sizeof text, POST "Transfer-Encoding: %s\r\n\r\n0\r\n\r\n" HIDDEN,
                 encodings[i]);
        assert_refused(text);
    }
    assert_refused(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "0\r\n\r\n" HIDDEN);
    assert_refused("POST /upload HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN);
}

static void two_hosts(void **state) {
    (void)state;
    assert_refused("GET /items/a HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n" HIDDEN);
    assert_refused("GET /items/a HTTP/1.1\r\nHost: localhost\r\nhost: localhost\r\n\r\n" HIDDEN);
}

static void no_host(void **state) {
    (void)state;
    assert_refused("GET /items/a HTTP/1.1\r\n\r\n" HIDDEN);
    assert_refused("GET /items/a HTTP/1.0\r\n\r\n" HIDDEN);
}

/* No route has such a target, whatever host it names; a proxy may have looked at either. It is one
 * request whose end is clear, so what asks for the end of the connection is the request here. */
static void targets_of_other_forms(void **state) {
    (void)state;
    static const char *const targets[] = {"http://localhost/items/a",
                                          "http://evil/items/a",
                                          "HTTP://localhost:80/items/a",
                                          "localhost:80",
                                          "*",
                                          "//evil/items/a"};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        char text[1024];
        int size = snprintf(
            text, sizeof text,
            "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" HIDDEN, targets[i]);
        assert_refused_with(text, (size_t)size, 404, "\r\n\r\nnot_found: ");
    }
}

static void a_blank_before_the_colon(void **state) {
    (void)state;
    assert_refused(POST "Content-Length : 50\r\n\r\n" HIDDEN);
    assert_refused(POST "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n" HIDDEN);
    assert_refused("GET /items/a HTTP/1.1\r\nHost : localhost\r\n\r\n" HIDDEN);
}

static void a_first_header_line_that_begins_with_a_blank(void **state) {
    (void)state;
    assert_refused("POST /upload HTTP/1.1\r\n Content-Length: 50\r\nHost: localhost\r\n"
                   "Content-Type: application/json\r\n\r\n" HIDDEN);
}

static void control_characters_in_a_value(void **state) {
    (void)state;
    assert_refused(POST "X: a\rContent-Length: 50\r\nContent-Length: 0\r\n\r\n" HIDDEN);
    assert_refused(POST "X: a\rTransfer-Encoding: chunked\r\n\r\n" HIDDEN);
    assert_refused(POST "X: \x7f\r\n\r\n" HIDDEN);
}

/* One that is folded is another reader's header line. */
static void a_folded_header_line_with_a_colon(void **state) {
    (void)state;
    assert_refused(POST "X: a\r\n Content-Length: 500\r\nContent-Length: 0\r\n\r\n" HIDDEN);
    assert_refused(POST "X: a\r\n\tTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN);
    assert_refused(POST "X: a\n Content-Length: 500\r\nContent-Length: 0\r\n\r\n" HIDDEN);
}

/* ---- what libmicrohttpd reads leniently and does not tell: one request all the same ---- */
static void a_folded_header_line_is_one_line(void **state) {
    (void)state;
    static const char fold[] = POST "X: a\r\n 500\r\nContent-Length: 47\r\n\r\n"
                                    "GET /items/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_one_upload(fold, sizeof fold - 1, 47);
}

static void bare_line_feeds_end_lines(void **state) {
    (void)state;
    static const char bare[] = "POST /upload HTTP/1.1\nHost: localhost\nContent-Type: "
                               "application/json\nContent-Length: 47\n\n"
                               "GET /items/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_one_upload(bare, sizeof bare - 1, 47);
}

static void a_nul_ends_a_value(void **state) {
    (void)state;
    static const char nul[] = POST "X: a\0b\r\nContent-Length: 47\r\n\r\n"
                                   "GET /items/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_one_upload(nul, sizeof nul - 1, 47);
}

static void a_nul_ends_a_length(void **state) {
    (void)state;
    static const char length[] = POST "Content-Length: 47\0 9\r\n\r\n"
                                      "GET /items/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_one_upload(length, sizeof length - 1, 47);
}

static void chunk_extensions_hide_nothing(void **state) {
    (void)state;
    static const char chunks[] = POST "Transfer-Encoding: chunked\r\n\r\n"
                                      "2f;a=\"\r\n"
                                      "GET /items/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
                                      "\r\n0;x\r\n\r\n";
    assert_one_upload(chunks, sizeof chunks - 1, 47);
}

static void malformed_chunks(void **state) {
    (void)state;
    static const struct {
        const char *chunks;
        int status;
    } cases[] = {{"-1\r\n\r\n", 400},
                 {"0x0\r\n\r\n", 400},
                 {"g\r\n\r\n", 400},
                 {"ffffffffffffffffff\r\n", 413},
                 {"1\r\nab\r\n0\r\n\r\n", 400},
                 {"\r\n", 400},
                 {" 0\r\n\r\n", 400}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        int size = snprintf(text, sizeof text, POST "Transfer-Encoding: chunked\r\n\r\n%s" HIDDEN,
                            cases[i].chunks);
        assert_refused_below(text, (size_t)size, cases[i].status);
    }
}

static void trailers_are_not_headers(void **state) {
    (void)state;
    static const char trailer[] = POST "Transfer-Encoding: chunked\r\n\r\n0\r\n"
                                       "Content-Length: 47\r\nHost: evil\r\n\r\n";
    assert_one_upload(trailer, sizeof trailer - 1, 0);
}

static void malformed_request_lines(void **state) {
    (void)state;
    static const struct {
        const char *line;
        int status;
    } cases[] = {{"GET /items/a\r\n", 400},
                 {"GET /items/a HTTP/2.0\r\n", 505},
                 {"GET /items/a HTTP/1.1 x\r\n", 400},
                 {"GET /items/a http/1.1\r\n", 400}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        int size =
            snprintf(text, sizeof text, "%sHost: localhost\r\nContent-Length: 47\r\n\r\n" HIDDEN,
                     cases[i].line);
        assert_refused_below(text, (size_t)size, cases[i].status);
    }
}

static void a_nul_in_a_name(void **state) {
    (void)state;
    static const char name[] = POST "Content-Length\0x: 47\r\n\r\n" HIDDEN;
    assert_refused_below(name, sizeof name - 1, 400);
}

static void a_line_of_one_word_is_not_answered(void **state) {
    (void)state;
    static const char *const lines[] = {"GET\r\n", "\x16\x03\x01\x02\r\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[1024], answer[1024];
        int size = snprintf(text, sizeof text,
                            "%sHost: localhost\r\nContent-Length: 47\r\n\r\n" HIDDEN, lines[i]);
        assert_int_equal(converse(text, (size_t)size, answer, sizeof answer), 0);
        assert_int_equal(atomic_load(&fixture.finished), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
        TEST(two_content_lengths),
        TEST(malformed_content_lengths),
        TEST(content_length_with_transfer_encoding),
        TEST(transfer_encodings_other_than_chunked),
        TEST(no_host),
        TEST(two_hosts),
        TEST(targets_of_other_forms),
        TEST(a_blank_before_the_colon),
        TEST(a_first_header_line_that_begins_with_a_blank),
        TEST(control_characters_in_a_value),
        TEST(a_folded_header_line_with_a_colon),
        TEST(a_folded_header_line_is_one_line),
        TEST(bare_line_feeds_end_lines),
        TEST(a_nul_ends_a_value),
        TEST(a_nul_ends_a_length),
        TEST(chunk_extensions_hide_nothing),
        TEST(malformed_chunks),
        TEST(trailers_are_not_headers),
        TEST(malformed_request_lines),
        TEST(a_nul_in_a_name),
        TEST(a_line_of_one_word_is_not_answered),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
