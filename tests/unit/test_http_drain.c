/* The end of a listener: what waits is answered, and whoever keeps it waiting is not waited for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/http_test.h"

static void drain_answers_what_waits_and_closes_the_idle(void **state) {
    (void)state;
    fixture_start(&fixture, NULL);
    int idle = client_connect(fixture.port), busy = client_connect(fixture.port);
    assert_live(idle);
    client_say(busy, WAIT);
    assert_true(eventually(one_waits, &fixture));
    fixture_drain(&fixture);
    assert_true(client_ended(idle));
    assert_int_equal(atomic_load(&fixture.drained), 0);
    int late = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    getpeername(busy, (struct sockaddr *)&address, &size);
    assert_int_equal(connect(late, (struct sockaddr *)&address, size), -1);
    close(late);
    fixture_release(&fixture);
    client_read(busy, &response, false);
    assert_string_equal(response.body, "waited");
    assert_string_equal(header("Connection"), "close");
    assert_true(client_ended(busy));
    fixture_stop(&fixture);
    assert_int_equal(atomic_load(&fixture.drained), 1);
    close(idle);
    close(busy);
}

static atomic_bool goes_on;
static atomic_uint holds;

/* The loop does nothing else until the test lets it go on, once for each. */
static void run_hold(struct loop_message *message) {
    (void)message;
    atomic_fetch_add(&holds, 1);
    while (!atomic_exchange(&goes_on, false))
        usleep(1000);
}

/* The answer is made, and a moment later, before it is sent, the drain begins: it does not say
 * Connection: close, and libmicrohttpd would keep the connection for a minute. */
static void a_drain_waits_for_no_connection_that_falls_idle(void **state) {
    (void)state;
    fixture_start(&fixture, NULL);
    int fd = client_connect(fixture.port);
    client_say(fd, WAIT);
    assert_true(eventually(one_waits, &fixture));
    struct loop_message hold = {.run = run_hold}; /* both come in one turn of the loop */
    loop_post(fixture.loop, &hold);
    fixture_release(&fixture);
    fixture_drain(&fixture);
    atomic_store(&goes_on, true);
    client_read(fd, &response, false);
    assert_string_equal(response.body, "waited");
    assert_string_equal(header("Connection"), "");
    assert_true(client_ended(fd));
    fixture_stop(&fixture);
    close(fd);
}

static bool second_holds(struct fixture *f) {
    (void)f;
    return atomic_load(&holds) == 2;
}

/* The kernel would reset them. The drain comes in the turn in which they do. */
static void connections_that_were_not_accepted_yet_are_answered(void **state) {
    (void)state;
    enum { COUNT = 20 };
    int fds[COUNT];
    struct loop_message first = {.run = run_hold}, second = {.run = run_hold};
    fixture_start(&fixture, NULL);
    atomic_store(&holds, 0);
    loop_post(fixture.loop, &first);
    loop_post(fixture.loop, &second);
    fixture_drain(&fixture);
    atomic_store(&goes_on, true);
    assert_true(eventually(second_holds, &fixture));
    for (int i = 0; i < COUNT; i++) {
        fds[i] = client_connect(fixture.port);
        client_say(fds[i], LIVE);
    }
    atomic_store(&goes_on, true);
    for (int i = 0; i < COUNT; i++) {
        client_read(fds[i], &response, false);
        assert_int_equal(response.status, 200);
        close(fds[i]);
    }
    fixture_stop(&fixture);
}

static bool has_drained(struct fixture *f) { return atomic_load(&f->drained) == 1; }

/* Its deadlines are generous here: without a drain they would hold for a minute. */
static void a_drain_waits_for_no_client_that_dawdles(void **state) {
    (void)state;
    fixture_start(&fixture, NULL);
    int header = client_connect(fixture.port), body = client_connect(fixture.port);
    int answer = client_connect(fixture.port), lingering = client_connect(fixture.port);
    client_say(header, "GET /livez HTTP/1.1\r\nHo");
    client_say(body,
               "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
               "Content-Length: 100\r\n\r\n[");
    client_say(answer, "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_say(lingering, "POST /denied HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                          "application/json\r\nContent-Length: 3000000\r\n\r\n[");
    client_read(lingering, &response, false);
    assert_int_equal(response.status, 503);
    fixture_drain(&fixture);
    assert_true(eventually(has_drained, &fixture));
    fixture_stop(&fixture);
    close(header);
    close(body);
    close(answer);
    close(lingering);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drain_answers_what_waits_and_closes_the_idle),
        cmocka_unit_test(a_drain_waits_for_no_connection_that_falls_idle),
        cmocka_unit_test(connections_that_were_not_accepted_yet_are_answered),
        cmocka_unit_test(a_drain_waits_for_no_client_that_dawdles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
