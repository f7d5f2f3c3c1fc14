/* Addresses of the internet protocol, and ranges of them. An IPv4 address is the same whether it
 * comes as 192.0.2.1 or, over an IPv6 socket, as ::ffff:192.0.2.1, and is told as the first. */
#ifndef FACEPAIR_SERVER_IP_H
#define FACEPAIR_SERVER_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { IP_BYTES = 16, IP_TEXT_SIZE = 46 };

struct ip {
    uint8_t bytes[IP_BYTES]; /* in network order; IPv4 as ::ffff:a.b.c.d */
};

struct ip_range {
    struct ip ip;
    unsigned bits; /* of the 128 that must be equal */
};

/* "192.0.2.1" or "2001:db8::1", nothing before or after it. */
bool ip_parse(const char *text, size_t size, struct ip *ip);
/* False: the socket is neither IPv4 nor IPv6. */
bool ip_of_socket(const struct sockaddr *address, struct ip *ip);
bool ip_is_v4(const struct ip *ip);
void ip_text(const struct ip *ip, char text[IP_TEXT_SIZE]);

/* "10.0.0.0/8", "2001:db8::/32", or an address alone. False: it is none, or has bits beyond its
 * prefix, which is a mistake more often than not. */
bool ip_range_parse(const char *text, struct ip_range *range);
/* No range of IPv6 addresses holds an IPv4 one. */
bool ip_is_in(const struct ip *ip, const struct ip_range *ranges, size_t count);

#endif
