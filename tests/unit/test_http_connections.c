/* Many requests on a connection, many connections, requests that wait, what is listened on. */
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/http_test.h"

static int start_narrow(void **state) {
    (void)state;
    fixture_start(&fixture, &(struct fixture_options){.connections_max = 1});
    return 0;
}

static bool one_abandoned(struct fixture *f) { return atomic_load(&f->abandoned) == 1; }

static void a_connection_serves_many_requests(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    for (int i = 0; i < 1000; i++)
        assert_live(fd);
    close(fd);
    assert_int_equal(atomic_load(&fixture.finished), 1000);
}

static void pipelined_requests_are_answered_in_order(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    char text[4096] = "";
    for (int i = 0; i < 20; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "GET /items/%d HTTP/1.1\r\nHost: localhost\r\n\r\n", i);
    client_say(fd, text);
    for (int i = 0; i < 20; i++) {
        client_read(fd, &response, false);
        assert_int_equal(response.status, 200);
        assert_int_equal(strtol(response.body, NULL, 10), i);
    }
    close(fd);
}

static void a_request_behind_a_waiting_one_waits_too(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, WAIT LIVE);
    assert_true(eventually(one_waits, &fixture));
    fixture_release(&fixture);
    client_read(fd, &response, false);
    assert_string_equal(response.body, "waited");
    client_read(fd, &response, false);
    assert_string_equal(response.body, "ok");
    close(fd);
}

static void http10_is_closed_after_the_answer(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, "GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n");
    char text[1024] = "";
    size_t size = 0;
    ssize_t got;
    while ((got = recv(fd, text + size, sizeof text - 1 - size, 0)) > 0)
        size += (size_t)got;
    assert_non_null(strstr(text, " 200 OK\r\n"));
    assert_non_null(strstr(text, "\r\n\r\nok"));
    close(fd);
}

static void a_client_that_has_said_its_last_is_answered_and_closed(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, LIVE);
    shutdown(fd, SHUT_WR);
    client_read(fd, &response, false);
    assert_int_equal(response.status, 200);
    assert_true(client_ended(fd));
    close(fd);
}

static void uploads_that_are_broken_off_are_noticed(void **state) {
    (void)state;
    static const char zeros[200 * 1000];
    for (int i = 0; i < 50; i++) {
        int fd = client_connect(fixture.port);
        client_say(fd, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
                       "Content-Type: application/json\r\n\r\n");
        client_send(fd, zeros, sizeof zeros);
        close(fd);
    }
    assert_true(eventually(nothing_in_flight, &fixture));
    assert_int_equal(atomic_load(&fixture.finished), 0);
}

/* libmicrohttpd's own epoll thread stalls at exactly 128 ready sockets. */
static void answer_all_at_once(unsigned count) {
    int *fds = calloc(count, sizeof *fds);
    for (unsigned i = 0; i < count; i++)
        fds[i] = client_connect(fixture.port);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < count; i++)
            client_say(fds[i], LIVE);
        for (unsigned i = 0; i < count; i++) {
            client_read(fds[i], &response, false);
            assert_int_equal(response.status, 200);
        }
    }
    for (unsigned i = 0; i < count; i++)
        client_say(fds[i], WAIT);
    for (unsigned done = 0; done < count; usleep(1000))
        done += fixture_release(&fixture);
    for (unsigned i = 0; i < count; i++) {
        client_read(fds[i], &response, false);
        assert_int_equal(response.status, 200);
        close(fds[i]);
    }
    free(fds);
}

static void connections_127(void **state) {
    (void)state;
    answer_all_at_once(127);
}
static void connections_128(void **state) {
    (void)state;
    answer_all_at_once(128);
}
static void connections_129(void **state) {
    (void)state;
    answer_all_at_once(129);
}
static void connections_256(void **state) {
    (void)state;
    answer_all_at_once(256);
}
static void connections_512(void **state) {
    (void)state;
    answer_all_at_once(512);
}

static void a_connection_past_the_limit_waits_for_its_turn(void **state) {
    (void)state;
    int first = client_connect(fixture.port), second = client_connect(fixture.port);
    assert_live(first);
    client_say(second, LIVE);
    close(first);
    client_read(second, &response, false);
    assert_int_equal(response.status, 200);
    close(second);
}

static void a_suspended_request_is_answered_from_another_thread(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, WAIT);
    assert_true(eventually(one_waits, &fixture));
    assert_int_equal((int)fixture_metric(&fixture, "facepair_http_in_flight"), 1);
    fixture_release(&fixture);
    client_read(fd, &response, false);
    assert_string_equal(response.body, "waited");
    assert_live(fd);
    close(fd);
    assert_int_equal(atomic_load(&fixture.abandoned), 0);
}

static void a_client_that_leaves_while_suspended_is_noticed_once(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, WAIT);
    assert_true(eventually(one_waits, &fixture));
    close(fd);
    assert_true(eventually(one_abandoned, &fixture));
    assert_int_equal(atomic_load(&fixture.released), 0); /* the reply is still owed */
    fixture_release(&fixture);
    assert_true(eventually(nothing_in_flight, &fixture));
    assert_int_equal(atomic_load(&fixture.abandoned), 1);
    assert_int_equal(atomic_load(&fixture.released), 1);
    assert_int_equal(
        (int)fixture_metric(&fixture, "facepair_rejected_total{reason=\"client_left\"}"), 1);
}

static void half_closing_counts_as_leaving(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, WAIT);
    assert_true(eventually(one_waits, &fixture));
    shutdown(fd, SHUT_WR);
    assert_true(eventually(one_abandoned, &fixture));
    fixture_release(&fixture);
    assert_true(eventually(nothing_in_flight, &fixture));
    close(fd);
}

/* For ten seconds, in a process of its own. */
static pid_t ask_without_end(unsigned port) {
    pid_t child = fork();
    if (child != 0)
        return child;
    int fd = client_connect(port);
    char requests[200 * (sizeof LIVE - 1)], answers[1 << 16];
    for (size_t i = 0; i < sizeof requests; i++)
        requests[i] = LIVE[i % (sizeof LIVE - 1)];
    alarm(10);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (size_t sent = 0;;) {
        ssize_t taken = send(fd, requests + sent, sizeof requests - sent, MSG_NOSIGNAL);
        sent = taken > 0 ? (sent + (size_t)taken) % sizeof requests : sent;
        while (recv(fd, answers, sizeof answers, 0) > 0)
            continue;
    }
}

static bool many_answered(struct fixture *f) { return atomic_load(&f->finished) > 1000; }

/* What wakes the loop and is not of the listener has its turn too. */
static void clients_that_ask_without_end_hold_up_nothing(void **state) {
    (void)state;
    enum { CLIENTS = 4 };
    pid_t clients[CLIENTS];
    int fd = client_connect(fixture.port), status;
    client_say(fd, WAIT);
    assert_true(eventually(one_waits, &fixture));
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = ask_without_end(fixture.port);
    assert_true(eventually(many_answered, &fixture));
    fixture_release(&fixture);
    client_read(fd, &response, false);
    assert_string_equal(response.body, "waited");
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(waitpid(clients[i], &status, WNOHANG), 0); /* it still asks */
        kill(clients[i], SIGKILL);
        waitpid(clients[i], &status, 0);
    }
    close(fd);
}

/* The one that has been silent for longest makes room, and nobody waits. */
static void connections_that_say_nothing_keep_nobody_out(void **state) {
    (void)state;
    enum { MOST = 32, BEFORE = 30, MORE = 10 };
    fixture_start(&fixture, &(struct fixture_options){.connections_max = MOST});
    int fds[BEFORE + MORE];
    for (int i = 0; i < BEFORE + MORE; i++) {
        if (i == BEFORE)
            usleep(1100 * 1000);
        fds[i] = client_connect(fixture.port);
        assert_live(fds[i]);
        if (i % 2 == 0)
            client_say(fds[i], "GET /livez HTTP/1.1\r\n");
    }
    assert_true(client_ended(fds[0]));
    assert_true(fixture_metric(&fixture, "facepair_rejected_total{reason=\"crowded\"}") == MORE);
    for (int i = 0; i < BEFORE + MORE; i++)
        close(fds[i]);
    fixture_stop(&fixture);
}

/* None comes any more that would make room. */
static void a_crowd_that_came_at_once_makes_room(void **state) {
    (void)state;
    enum { MOST = 8 };
    int fds[MOST];
    fixture_start(&fixture, &(struct fixture_options){.connections_max = MOST});
    for (int i = 0; i < MOST; i++)
        fds[i] = client_connect(fixture.port);
    for (int i = 0; i < MOST; i++)
        assert_live(fds[i]);
    ask(LIVE);
    assert_int_equal(response.status, 200);
    for (int i = 0; i < MOST; i++)
        close(fds[i]);
    fixture_stop(&fixture);
}

static void bodies_that_are_refused_keep_nobody_out(void **state) {
    (void)state;
    enum { MOST = 8, AHEAD = 100000 }; /* 98 s at the slowest rate that is allowed */
    int fds[MOST];
    fixture_start(&fixture, &(struct fixture_options){.connections_max = MOST});
    for (int i = 0; i < MOST; i++) {
        fds[i] = client_connect(fixture.port);
        client_say(fds[i], "POST /nothing HTTP/1.1\r\nHost: localhost\r\n"
                           "Content-Length: 1000000\r\n\r\n");
        client_send_zeros(fds[i], AHEAD);
    }
    ask(LIVE);
    assert_int_equal(response.status, 200);
    for (int i = 0; i < MOST; i++)
        close(fds[i]);
    fixture_stop(&fixture);
}

/* Neither of those that are answered nor of those that have just come is any sent away. */
static void requests_under_way_make_no_room(void **state) {
    (void)state;
    enum { MOST = 64 };
    fixture_start(&fixture, &(struct fixture_options){.connections_max = MOST});
    int fds[MOST];
    for (int i = 0; i < MOST; i++) {
        fds[i] = client_connect(fixture.port);
        client_say(fds[i], WAIT);
    }
    while (fixture_waiting(&fixture) < MOST)
        usleep(1000);
    assert_true(fixture_metric(&fixture, "facepair_rejected_total{reason=\"crowded\"}") == 0);
    fixture_release(&fixture);
    for (int i = 0; i < MOST; i++) {
        client_read(fds[i], &response, false);
        assert_string_equal(response.body, "waited");
        close(fds[i]);
    }
    fixture_stop(&fixture);
}

static void a_port_in_use_is_told(void **state) {
    (void)state;
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%u", fixture.port);
    struct http_listener_options options = {
        .role = HTTP_PUBLIC, .address = address, .connections_max = 1, .header_bytes_max = 1024};
    struct http_listener *listener;
    struct error err;
    assert_int_equal(
        http_listener_start(&options, &fixture.application, fixture.loop, &listener, &err),
        STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, address));
    assert_non_null(strstr(err.detail, "Address already in use"));
}

static void addresses_are_literal(void **state) {
    (void)state;
    static const char *const bad[] = {"",      "127.0.0.1",       "localhost:80", "127.0.0.1:",
                                      ":80",   "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:8x",
                                      "::1:80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct http_listener_options options = {
            .role = HTTP_PUBLIC, .address = bad[i], .connections_max = 1, .header_bytes_max = 1024};
        struct http_listener *listener;
        struct error err;
        assert_int_equal(
            http_listener_start(&options, &fixture.application, fixture.loop, &listener, &err),
            STATUS_INTERNAL);
    }
    assert_true(http_address_is_loopback("127.0.0.1:80"));
    assert_true(http_address_is_loopback("127.9.9.9:0"));
    assert_true(http_address_is_loopback("[::1]:80"));
    assert_false(http_address_is_loopback("0.0.0.0:80"));
    assert_false(http_address_is_loopback("[::]:80"));
    assert_false(http_address_is_loopback("128.0.0.1:80"));
}

/* Without descriptors left, accepting fails while the socket stays readable. */
static void running_out_of_descriptors_does_not_spin(void **state) {
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct rlimit before, none;
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 3;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)fixture.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setrlimit(RLIMIT_NOFILE, &none);
    int failure = connect(fd, (struct sockaddr *)&address, sizeof address);
    clock_t begun = clock();
    usleep(500 * 1000);
    clock_t used = clock() - begun;
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(failure, 0);
    assert_true(used < CLOCKS_PER_SEC / 50); /* spinning uses all it can get of half a second */
    assert_live(fd);
    close(fd);
}

/* libmicrohttpd alone would listen again when one of its connections closes. */
static void a_listener_that_ran_out_of_descriptors_listens_again(void **state) {
    (void)state;
    int old = client_connect(fixture.port), fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_live(old);
    struct rlimit before, none;
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 3;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)fixture.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setrlimit(RLIMIT_NOFILE, &none);
    int failure = connect(fd, (struct sockaddr *)&address, sizeof address);
    usleep(200 * 1000);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(failure, 0);
    assert_live(fd);
    assert_live(old);
    close(fd);
    close(old);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
        TEST(a_connection_serves_many_requests),
        TEST(pipelined_requests_are_answered_in_order),
        TEST(a_request_behind_a_waiting_one_waits_too),
        TEST(http10_is_closed_after_the_answer),
        TEST(a_client_that_has_said_its_last_is_answered_and_closed),
        TEST(uploads_that_are_broken_off_are_noticed),
        TEST(connections_127),
        TEST(connections_128),
        TEST(connections_129),
        TEST(connections_256),
        TEST(connections_512),
        cmocka_unit_test_setup_teardown(a_connection_past_the_limit_waits_for_its_turn,
                                        start_narrow, stop),
        TEST(a_suspended_request_is_answered_from_another_thread),
        TEST(a_client_that_leaves_while_suspended_is_noticed_once),
        TEST(half_closing_counts_as_leaving),
        TEST(clients_that_ask_without_end_hold_up_nothing),
        cmocka_unit_test(connections_that_say_nothing_keep_nobody_out),
        cmocka_unit_test(a_crowd_that_came_at_once_makes_room),
        cmocka_unit_test(bodies_that_are_refused_keep_nobody_out),
        cmocka_unit_test(requests_under_way_make_no_room),
        TEST(a_port_in_use_is_told),
        TEST(addresses_are_literal),
        TEST(running_out_of_descriptors_does_not_spin),
        TEST(a_listener_that_ran_out_of_descriptors_listens_again),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
