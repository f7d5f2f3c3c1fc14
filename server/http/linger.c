/* Bytes that are still coming after an answer that closes the connection: closing a socket with
 * unread bytes resets it, and the reset may erase the answer before the client reads it. A
 * duplicate of the descriptor keeps the socket open after libmicrohttpd has closed its own (which
 * has sent the answer and its FIN), and what comes is dropped in the kernel (MSG_TRUNC) until the
 * client closes, for at most HTTP_DROP_US_MAX. There are never more of these than connections
 * allowed.
 */
#include "server/http/connection.h"

#include "server/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_linger_closed(uv_handle_t *handle) {
    struct lingering *linger = handle->data;
    struct http_listener *listener = linger->listener;
    free(linger);
    listener_handle_closed(listener);
}

static void linger_stop(struct lingering *linger) {
    LIST_REMOVE(linger, entry);
    linger->listener->lingers_count--;
    uv_poll_stop(&linger->poll);
    close(linger->fd);
    uv_close((uv_handle_t *)&linger->poll, on_linger_closed);
}

static void on_linger(uv_poll_t *poll, int status, int events) {
    (void)events;
    struct lingering *linger = poll->data;
    ssize_t dropped = 0;
    if (status == 0)
        dropped = recv(linger->fd, NULL, HTTP_DROP_BYTES_MAX, MSG_TRUNC | MSG_DONTWAIT);
    bool more = dropped > 0 || (dropped < 0 && (errno == EAGAIN || errno == EINTR));
    if (!more)
        linger_stop(linger);
}

void linger_start(struct http_listener *listener, int fd) {
    if (listener->stopped || listener->lingers_count == listener->options.connections_max)
        return;
    struct lingering *linger = calloc(1, sizeof *linger);
    if (!linger)
        return;
    linger->listener = listener;
    linger->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (linger->fd < 0 || uv_poll_init(loop_uv(listener->loop), &linger->poll, linger->fd) != 0) {
        if (linger->fd >= 0)
            close(linger->fd);
        free(linger);
        return;
    }
    linger->poll.data = linger;
    linger->until_us = clock_monotonic_us() + HTTP_DROP_US_MAX;
    listener->handles++;
    listener->lingers_count++;
    LIST_INSERT_HEAD(&listener->lingers, linger, entry);
    uv_poll_start(&linger->poll, UV_READABLE, on_linger);
}

void linger_sweep(struct http_listener *listener, uint64_t now_us) {
    struct lingering *linger = LIST_FIRST(&listener->lingers);
    while (linger) {
        struct lingering *next = LIST_NEXT(linger, entry);
        uint64_t until_us = linger->until_us;
        if (listener->draining)
            until_us -= HTTP_DROP_US_MAX - HTTP_DRAIN_US_MAX;
        if (now_us > until_us)
            linger_stop(linger);
        else
            shutdown(linger->fd, SHUT_WR); /* with TLS libmicrohttpd leaves this to close() */
        linger = next;
    }
}

void linger_stop_all(struct http_listener *listener) { linger_sweep(listener, UINT64_MAX); }
