/* What is counted of an address, and that the count has a bound. */
#include "server/http/clients.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SECOND_US = 1000000 };

static struct ip ip_of(const char *text) {
    struct ip ip;
    assert_true(ip_parse(text, strlen(text), &ip));
    return ip;
}

static struct ip nth(uint32_t n) {
    char text[IP_TEXT_SIZE];
    snprintf(text, sizeof text, "10.%u.%u.%u", n >> 16 & 255, n >> 8 & 255, n & 255);
    return ip_of(text);
}

static struct clients *create(unsigned connections_max, double per_s, double burst) {
    const struct clients_limits limits = {connections_max, {per_s, burst}};
    struct clients *clients = clients_create(&limits);
    assert_non_null(clients);
    return clients;
}

static void an_address_has_so_many_connections(void **state) {
    (void)state;
    struct clients *clients = create(2, 0, 1);
    struct ip a = ip_of("192.0.2.1"), b = ip_of("192.0.2.2");
    for (int i = 0; i < 2; i++) {
        assert_true(clients_may_connect(clients, &a));
        assert_true(clients_connect(clients, &a));
    }
    assert_false(clients_may_connect(clients, &a));
    assert_true(clients_may_connect(clients, &b));
    clients_disconnect(clients, &a);
    assert_true(clients_may_connect(clients, &a));
    clients_disconnect(clients, &a);
    assert_int_equal(clients_count(clients), 0);
    clients_destroy(clients);
}

static void an_address_asks_so_often(void **state) {
    (void)state;
    struct clients *clients = create(0, 2, 3);
    struct ip a = ip_of("192.0.2.1"), b = ip_of("192.0.2.2");
    unsigned wait_s = 0;
    for (int i = 0; i < 3; i++)
        assert_true(clients_may_ask(clients, &a, SECOND_US, &wait_s));
    assert_false(clients_may_ask(clients, &a, SECOND_US, &wait_s));
    assert_int_equal(wait_s, 1);
    assert_true(clients_may_ask(clients, &b, SECOND_US, &wait_s));
    assert_true(clients_may_ask(clients, &a, SECOND_US + SECOND_US / 2, &wait_s));
    assert_false(clients_may_ask(clients, &a, SECOND_US + SECOND_US / 2, &wait_s));
    clients_destroy(clients);
}

static void an_ipv6_address_stands_for_its_network(void **state) {
    (void)state;
    struct clients *clients = create(1, 1, 1);
    struct ip a = ip_of("2001:db8:0:1::1"), b = ip_of("2001:db8:0:1:ffff::2");
    struct ip other = ip_of("2001:db8:0:2::1");
    unsigned wait_s;
    assert_true(clients_connect(clients, &a));
    assert_false(clients_may_connect(clients, &b));
    assert_true(clients_may_connect(clients, &other));
    assert_true(clients_may_ask(clients, &a, SECOND_US, &wait_s));
    assert_false(clients_may_ask(clients, &b, SECOND_US, &wait_s));
    assert_true(clients_may_ask(clients, &other, SECOND_US, &wait_s));
    clients_disconnect(clients, &a);
    clients_destroy(clients);
}

static void ipv4_addresses_are_each_their_own(void **state) {
    (void)state;
    struct clients *clients = create(1, 0, 1);
    struct ip a = ip_of("::ffff:192.0.2.1"), same = ip_of("192.0.2.1"), b = ip_of("192.0.2.2");
    assert_true(clients_connect(clients, &a));
    assert_false(clients_may_connect(clients, &same));
    assert_true(clients_may_connect(clients, &b));
    clients_disconnect(clients, &same);
    clients_destroy(clients);
}

static void those_who_asked_longest_ago_make_room_but_not_while_connected(void **state) {
    (void)state;
    struct clients *clients = create(1, 0.001, 1);
    struct ip connected = ip_of("192.0.2.1");
    unsigned wait_s;
    assert_true(clients_connect(clients, &connected));
    for (uint32_t n = 0; n < CLIENTS_MAX + 1000; n++) {
        struct ip ip = nth(n);
        assert_true(clients_may_ask(clients, &ip, SECOND_US, &wait_s));
    }
    assert_int_equal(clients_count(clients), CLIENTS_MAX);
    assert_false(clients_may_connect(clients, &connected));
    struct ip first = nth(0), last = nth(CLIENTS_MAX + 999);
    assert_false(clients_may_ask(clients, &last, SECOND_US, &wait_s));
    assert_true(clients_may_ask(clients, &first, SECOND_US, &wait_s)); /* forgotten */
    clients_disconnect(clients, &connected);
    clients_destroy(clients);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_so_many_connections),
        cmocka_unit_test(an_address_asks_so_often),
        cmocka_unit_test(an_ipv6_address_stands_for_its_network),
        cmocka_unit_test(ipv4_addresses_are_each_their_own),
        cmocka_unit_test(those_who_asked_longest_ago_make_room_but_not_while_connected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
