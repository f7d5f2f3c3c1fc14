#include "server/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum { V4_PREFIX_BYTES = 12, V4_PREFIX_BITS = 96, BITS = 128 };
static const uint8_t V4_PREFIX[V4_PREFIX_BYTES] = {[10] = 0xff, [11] = 0xff};

static void set_v4(struct ip *ip, const void *bytes) {
    memcpy(ip->bytes, V4_PREFIX, sizeof V4_PREFIX);
    memcpy(ip->bytes + sizeof V4_PREFIX, bytes, IP_BYTES - sizeof V4_PREFIX);
}

bool ip_parse(const char *text, size_t size, struct ip *ip) {
    char copy[IP_TEXT_SIZE];
    struct in_addr v4;
    if (size == 0 || size >= sizeof copy || memchr(text, '\0', size))
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (inet_pton(AF_INET, copy, &v4) == 1) {
        set_v4(ip, &v4);
        return true;
    }
    return inet_pton(AF_INET6, copy, ip->bytes) == 1;
}

bool ip_of_socket(const struct sockaddr *address, struct ip *ip) {
    if (address->sa_family == AF_INET)
        set_v4(ip, &((const struct sockaddr_in *)address)->sin_addr);
    else if (address->sa_family == AF_INET6)
        memcpy(ip->bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, IP_BYTES);
    else
        return false;
    return true;
}

bool ip_is_v4(const struct ip *ip) { return memcmp(ip->bytes, V4_PREFIX, sizeof V4_PREFIX) == 0; }

void ip_text(const struct ip *ip, char text[IP_TEXT_SIZE]) {
    bool v4 = ip_is_v4(ip);
    inet_ntop(v4 ? AF_INET : AF_INET6, ip->bytes + (v4 ? V4_PREFIX_BYTES : 0), text, IP_TEXT_SIZE);
}

/* ---- ranges ---- */

static bool same_bits(const struct ip *a, const struct ip *b, unsigned bits) {
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a->bytes, b->bytes, whole) != 0)
        return false;
    return rest == 0 || (a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest) == 0;
}

static bool ends_after(const struct ip *ip, unsigned bits) {
    for (unsigned bit = bits; bit < BITS; bit++)
        if (ip->bytes[bit / 8] & (0x80 >> bit % 8))
            return false;
    return true;
}

static bool parse_bits(const char *text, unsigned most, unsigned *bits) {
    *bits = 0;
    if (!*text || strlen(text) > 3 || text[strspn(text, "0123456789")])
        return false;
    for (; *text; text++)
        *bits = *bits * 10 + (unsigned)(*text - '0');
    return *bits <= most;
}

bool ip_range_parse(const char *text, struct ip_range *range) {
    size_t size = strcspn(text, "/");
    if (!ip_parse(text, size, &range->ip))
        return false;
    bool as_v4 = !memchr(text, ':', size); /* its prefix is counted in the 32 bits that are told */
    range->bits = BITS;
    if (text[size]) {
        if (!parse_bits(text + size + 1, as_v4 ? BITS - V4_PREFIX_BITS : BITS, &range->bits))
            return false;
        range->bits += as_v4 ? V4_PREFIX_BITS : 0;
    }
    return ends_after(&range->ip, range->bits);
}

bool ip_is_in(const struct ip *ip, const struct ip_range *ranges, size_t count) {
    for (size_t i = 0; i < count; i++)
        if ((ranges[i].bits >= V4_PREFIX_BITS || !ip_is_v4(ip)) &&
            same_bits(ip, &ranges[i].ip, ranges[i].bits))
            return true;
    return false;
}
