/* Clients that send or read too slowly are cut off; those between two requests are not. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/http_test.h"

static int start_impatient(void **state) {
    (void)state;
    fixture_start(&fixture, &(struct fixture_options){
                                .header_ms_max = 300, .body_ms_max = 300, .answer_ms_max = 300});
    return 0;
}

/* Sends one byte now and then until the server has closed the connection. */
static void dribble_until_cut_off(int fd, char byte) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 500; i++) {
        char got;
        ssize_t read = recv(fd, &got, 1, 0);
        if (read == 0 || (read < 0 && errno != EAGAIN))
            return;
        assert_int_equal(read, -1);
        send(fd, &byte, 1, MSG_NOSIGNAL);
        usleep(20 * 1000);
    }
    fail_msg("the server never closed the connection");
}

static void a_header_that_dribbles_is_cut_off(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, "GET /livez HTTP/1.1\r\nX: ");
    dribble_until_cut_off(fd, 'x');
    close(fd);
    assert_true(fixture_metric(&fixture, "facepair_rejected_total{reason=\"timeout\"}") >= 1);
}

static void a_later_header_that_dribbles_is_cut_off(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    assert_live(fd);
    dribble_until_cut_off(fd, 'G');
    close(fd);
}

static void a_body_that_dribbles_is_cut_off(void **state) {
    (void)state;
    static const char *const lengths[] = {"Content-Length: 100000", "Transfer-Encoding: chunked"};
    for (int i = 0; i < 2; i++) {
        int fd = client_connect(fixture.port);
        client_say(fd, "POST /upload HTTP/1.1\r\nHost: localhost\r\n"
                       "Content-Type: application/json\r\n");
        client_say(fd, lengths[i]);
        client_say(fd, "\r\n\r\nfff0\r\n");
        dribble_until_cut_off(fd, ' ');
        close(fd);
    }
    assert_int_equal(atomic_load(&fixture.finished), 0);
}

static void an_idle_connection_outlives_the_header_deadline(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    assert_live(fd);
    usleep(900 * 1000); /* three times the deadline of a header */
    assert_live(fd);
    close(fd);
}

static void a_client_that_does_not_read_its_answer_is_cut_off(void **state) {
    (void)state;
    int fd = client_connect(fixture.port);
    client_say(fd, "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_true(eventually(nothing_in_flight, &fixture));
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start_impatient, stop)
        TEST(a_header_that_dribbles_is_cut_off),
        TEST(a_later_header_that_dribbles_is_cut_off),
        TEST(a_body_that_dribbles_is_cut_off),
        TEST(an_idle_connection_outlives_the_header_deadline),
        TEST(a_client_that_does_not_read_its_answer_is_cut_off),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
