/* Whose request it is. A proxy appends the address of whoever it speaks for to X-Forwarded-For, so
 * the list is read from its end, as long as the last one named is itself trusted to have named the
 * one before it: the first address that is not a trusted proxy's is the client's. Whatever stands
 * before that was written by the client, and is not looked at.
 *
 *     X-Forwarded-For: 203.0.113.9, 198.51.100.7, 10.0.0.2      from 10.0.0.1, with 10.0.0.0/8
 *                      made up      the client    a proxy            trusted
 *
 * What is no address ends the search at the proxy that let it stand. Several lines are one list, in
 * their order. An address may have a port, and IPv6 brackets. */
#include "server/http/connection.h"

#include <string.h>

enum { LINES_MAX = 16, HOPS_MAX = 32 };

struct lines {
    size_t count; /* that there are; only LINES_MAX are kept */
    const char *text[LINES_MAX];
    size_t size[LINES_MAX];
};

static enum MHD_Result collect(void *cls, enum MHD_ValueKind kind, const char *name,
                               size_t name_size, const char *value, size_t value_size) {
    (void)kind;
    static const char wanted[] = "X-Forwarded-For";
    struct lines *lines = cls;
    if (name_size != sizeof wanted - 1 || strncasecmp(name, wanted, name_size) != 0)
        return MHD_YES;
    if (lines->count < LINES_MAX) {
        lines->text[lines->count] = value ? value : "";
        lines->size[lines->count] = value ? value_size : 0;
    }
    lines->count++;
    return MHD_YES;
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80" */
static bool parse_hop(const char *text, size_t size, struct ip *ip) {
    const char *bracket = size > 0 && text[0] == '[' ? memchr(text, ']', size) : NULL;
    const char *colon = memchr(text, ':', size);
    const char *end = text + size, *port = NULL;
    if (bracket) {
        port = bracket + 1;
        size = (size_t)(bracket - ++text);
        if (!memchr(text, ':', size))
            return false;
    } else if (colon && !memchr(colon + 1, ':', (size_t)(end - colon - 1))) {
        port = colon;
        size = (size_t)(colon - text);
    }
    if (port && port < end) {
        size_t digits = (size_t)(end - port - 1);
        if (*port != ':' || digits == 0 || digits > 5 || strspn(port + 1, "0123456789") < digits)
            return false;
    }
    return ip_parse(text, size, ip);
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* The last element of the list, cut off from it; what is left is *size. Empty ones are skipped, as
 * in every list of HTTP; false: there is none. */
static bool take_last(const char *text, size_t *size, const char **hop, size_t *hop_size) {
    size_t end = *size;
    while (end > 0 && (is_blank(text[end - 1]) || text[end - 1] == ','))
        end--;
    size_t begin = end;
    while (begin > 0 && text[begin - 1] != ',')
        begin--;
    *size = begin;
    while (begin < end && is_blank(text[begin]))
        begin++;
    *hop = text + begin;
    *hop_size = end - begin;
    return end > begin;
}

struct ip forwarded_client(const struct http_request *request) {
    const struct http_address_options *options = &request->listener->options.addresses;
    struct ip client = request->connection->address;
    if (!ip_is_in(&client, options->trusted, options->trusted_count))
        return client;
    struct lines lines = {0};
    MHD_get_connection_values_n(request->mhd, MHD_HEADER_KIND, collect, &lines);
    size_t line = lines.count <= LINES_MAX ? lines.count : 0;
    for (unsigned hops = 0; line > 0; line--) {
        const char *text = lines.text[line - 1], *hop;
        size_t size = lines.size[line - 1], hop_size;
        while (take_last(text, &size, &hop, &hop_size)) {
            struct ip named;
            if (++hops > HOPS_MAX || !parse_hop(hop, hop_size, &named))
                return client;
            client = named;
            if (!ip_is_in(&client, options->trusted, options->trusted_count))
                return client;
        }
    }
    return client;
}
