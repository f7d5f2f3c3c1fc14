#include "tests/unit/http_client.h"

#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 10 * 1000 };

int client_connect(unsigned port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int failure = connect(fd, (struct sockaddr *)&address, sizeof address);
    assert(!failure);
    return fd;
}

bool client_send(int fd, const void *bytes, size_t size) {
    const char *at = bytes;
    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent < 0)
            return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

bool client_send_zeros(int fd, size_t size) {
    static const char zeros[64 * 1024];
    for (size_t piece; size > 0; size -= piece) {
        piece = size < sizeof zeros ? size : sizeof zeros;
        if (!client_send(fd, zeros, piece))
            return false;
    }
    return true;
}

void client_say(int fd, const char *text) { client_send(fd, text, strlen(text)); }

/* One byte or -1. */
static int client_byte(int fd) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    unsigned char byte;
    if (poll(&poll_fd, 1, PATIENCE_MS) != 1 || recv(fd, &byte, 1, 0) != 1)
        return -1;
    return byte;
}

void client_read(int fd, struct response *response, bool head_only) {
    memset(response, 0, sizeof *response);
    size_t size = 0;
    while (size + 1 < sizeof response->head && !strstr(response->head, "\r\n\r\n")) {
        int byte = client_byte(fd);
        if (byte < 0)
            return;
        response->head[size++] = (char)byte;
    }
    int status = 0;
    if (sscanf(response->head, "HTTP/1.1 %d ", &status) != 1)
        return;
    char length[32];
    size_t left =
        strtoul(response_header(response, "Content-Length", length, sizeof length), NULL, 10);
    for (; left > 0 && !head_only; left--) {
        int byte = client_byte(fd);
        if (byte < 0)
            return;
        if (response->body_size + 1 < sizeof response->body)
            response->body[response->body_size++] = (char)byte;
    }
    response->status = status;
}

bool client_ended(int fd) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    char byte;
    return poll(&poll_fd, 1, PATIENCE_MS) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

const char *response_header(const struct response *response, const char *name, char *value,
                            size_t value_size) {
    value[0] = '\0';
    for (const char *line = response->head; line; line = strstr(line, "\r\n")) {
        line += strspn(line, "\r\n");
        if (strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            const char *at = line + strlen(name) + 1;
            at += strspn(at, " ");
            snprintf(value, value_size, "%.*s", (int)strcspn(at, "\r"), at);
            break;
        }
        if (!*line)
            break;
    }
    return value;
}

void client_ask(unsigned port, const char *text, struct response *response) {
    int fd = client_connect(port);
    client_say(fd, text);
    client_read(fd, response, false);
    close(fd);
}
