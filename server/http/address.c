#include "server/http/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* "127.0.0.1:8080" or "[::1]:8080"; names are not looked up. */
static bool address_parse(const char *text, union address *address) {
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 2];
    if (!colon || colon == text || (size_t)(colon - text) >= sizeof host)
        return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    char *end;
    errno = 0;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end || errno || port > UINT16_MAX)
        return false;
    size_t size = strlen(host);
    memset(address, 0, sizeof *address);
    if (host[0] == '[' && host[size - 1] == ']') {
        host[size - 1] = '\0';
        return uv_ip6_addr(host + 1, (int)port, &address->v6) == 0;
    }
    return uv_ip4_addr(host, (int)port, &address->v4) == 0;
}

static socklen_t address_size(const union address *address) {
    return address->any.sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
}

enum status http_address_bind(const char *text, int *out, struct error *err) {
    union address address;
    if (!address_parse(text, &address))
        return error_set(err, STATUS_INTERNAL,
                         "%s is not an address and a port such as 127.0.0.1:8080 or [::1]:8080.",
                         text);
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0)
        return error_set(err, STATUS_INTERNAL, "No socket for %s: %s.", text, strerror(errno));
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, &address.any, address_size(&address)) != 0) {
        int cause = errno;
        close(fd);
        return error_set(err, STATUS_INTERNAL, "Cannot listen on %s: %s.", text, strerror(cause));
    }
    *out = fd;
    return STATUS_OK;
}

enum status address_listen(const char *text, int fd, unsigned *port, struct error *err) {
    union address address = {0};
    socklen_t size = sizeof address;
    if (listen(fd, BACKLOG) != 0 || getsockname(fd, &address.any, &size) != 0)
        return error_set(err, STATUS_INTERNAL, "Cannot listen on %s: %s.", text, strerror(errno));
    *port = ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
    return STATUS_OK;
}

bool http_address_is_loopback(const char *text) {
    union address address;
    if (!address_parse(text, &address))
        return false;
    if (address.any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr);
    return ntohl(address.v4.sin_addr.s_addr) >> 24 == 127;
}
