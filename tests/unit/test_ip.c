/* Addresses and ranges as an operator, or a proxy, writes them. */
#include "server/ip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cmocka.h>

static struct ip ip_of(const char *text) {
    struct ip ip;
    if (!ip_parse(text, strlen(text), &ip))
        fail_msg("%s is an address", text);
    return ip;
}

static void an_address_is_told_in_its_shortest_form(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"192.0.2.1", "192.0.2.1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::FFFF:c000:0201", "192.0.2.1"},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
        {"::1", "::1"},
    };
    char text[IP_TEXT_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ip ip = ip_of(cases[i][0]);
        ip_text(&ip, text);
        assert_string_equal(text, cases[i][1]);
    }
}

static void what_is_no_address_is_none(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        "unknown",
                                        "localhost",
                                        "192.0.2",
                                        "192.0.2.256",
                                        "192.0.2.01",
                                        "192.0.2.1 ",
                                        " 192.0.2.1",
                                        "192.0.2.1:80",
                                        "0x7f.0.0.1",
                                        "2130706433",
                                        "fe80::1%eth0",
                                        "[::1]",
                                        "1:2:3:4:5:6:7:8:9",
                                        ":::",
                                        "0000000000000000000000000000000000000000000000000001"};
    struct ip ip;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (ip_parse(wrong[i], strlen(wrong[i]), &ip))
            fail_msg("%s is no address", wrong[i]);
    assert_false(ip_parse("192.0.2.1\0", 10, &ip));
}

static void a_mapped_address_of_a_socket_is_the_ipv4_one(void **state) {
    (void)state;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr none = {.sa_family = AF_UNIX};
    struct ip a, b;
    inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr);
    inet_pton(AF_INET6, "::ffff:192.0.2.1", &v6.sin6_addr);
    assert_true(ip_of_socket((struct sockaddr *)&v4, &a));
    assert_true(ip_of_socket((struct sockaddr *)&v6, &b));
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(ip_is_v4(&b));
    assert_false(ip_of_socket(&none, &a));
}

static void a_range_holds_what_begins_as_it_does(void **state) {
    (void)state;
    static const struct {
        const char *range, *ip;
        bool in;
    } cases[] = {
        {"10.0.0.0/8", "10.255.1.2", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"::ffff:10.0.0.0/104", "10.1.2.3", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.129", true},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.6", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "203.0.113.9", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::1", "::1", true},
        {"::1/128", "::2", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ip_range range;
        struct ip ip = ip_of(cases[i].ip);
        assert_true(ip_range_parse(cases[i].range, &range));
        if (ip_is_in(&ip, &range, 1) != cases[i].in)
            fail_msg("%s in %s", cases[i].ip, cases[i].range);
    }
    struct ip ip = ip_of("10.0.0.1");
    assert_false(ip_is_in(&ip, NULL, 0));
}

static void what_is_no_range_is_none(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",           "10.0.0.0/",    "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8 ",
        "10.0.0.1/8", "10.0.0.0/08x", "::/129",      "::1/64",      "10.0.0.0/8/8",
        "/8",         "proxy/32",     "10.0.0.0/ 8", "10.0.0.0/+8", "::/0000"};
    struct ip_range range;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (ip_range_parse(wrong[i], &range))
            fail_msg("%s is no range", wrong[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_told_in_its_shortest_form),
        cmocka_unit_test(what_is_no_address_is_none),
        cmocka_unit_test(a_mapped_address_of_a_socket_is_the_ipv4_one),
        cmocka_unit_test(a_range_holds_what_begins_as_it_does),
        cmocka_unit_test(what_is_no_range_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
