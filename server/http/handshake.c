/* A handshake that waits for its client.
 *
 * libmicrohttpd asks GnuTLS to go on with a handshake, learns that bytes are missing, and does not
 * note that the socket has nothing more to read: from then on it asks again without a pause, and
 * one client that sends half a hello keeps a core busy until its deadline. So the bytes are read
 * here: where there are none, the connection is suspended at that moment, and its socket waits in
 * an epoll descriptor of ours, which is a uv_poll_t of the loop, until something comes. A handshake
 * that nothing comes for costs nothing.
 *
 * libmicrohttpd's manual allows a connection to be suspended from its handler. Its reading of a
 * socket, which this is called from, is a step before that in the same function, and looks for
 * suspended connections behind it in the same way; the tests of unfinished handshakes hold it to
 * that.
 *
 * Once a request has begun, libmicrohttpd's own way of waiting is right, and this stands back.
 */
#include "server/http/connection.h"

#include "server/clock.h"

#include <assert.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAKES_MAX = 64 }; /* in a turn of the loop; the rest come in the next */

static void park(struct connection *connection) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = connection};
    if (epoll_ctl(connection->listener->handshakes_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        return; /* no memory: libmicrohttpd asks again, then */
    connection->parked = true;
    MHD_suspend_connection(connection->mhd);
}

static void unpark(struct connection *connection) {
    epoll_ctl(connection->listener->handshakes_fd, EPOLL_CTL_DEL, connection->fd, NULL);
    connection->parked = false;
    MHD_resume_connection(connection->mhd);
    listener_wake(connection->listener);
}

static ssize_t pull(gnutls_transport_ptr_t transport, void *to, size_t size) {
    struct connection *connection = transport;
    ssize_t got = recv(connection->fd, to, size, 0);
    if (got > 0 && connection->shaken && !connection->request && connection->heard_us == 0)
        connection->heard_us = clock_monotonic_us(); /* of a request */
    if (got < 0 && errno == EAGAIN && !connection->greeted && !connection->parked) {
        park(connection);
        errno = EAGAIN;
    }
    return got;
}

/* The client's last word of a handshake: what it says next is a request. */
static int finished(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                    const gnutls_datum_t *message) {
    (void)type, (void)when, (void)message;
    gnutls_transport_ptr_t receiving, sending;
    gnutls_transport_get_ptr2(session, &receiving, &sending);
    if (incoming)
        ((struct connection *)receiving)->shaken = true;
    return 0;
}

void handshake_begin(struct connection *connection, gnutls_session_t session) {
    gnutls_transport_ptr_t receiving, sending;
    gnutls_transport_get_ptr2(session, &receiving, &sending);
    gnutls_transport_set_ptr2(session, connection, sending);
    gnutls_transport_set_pull_function(session, pull);
    gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST,
                                       finished);
}

static void on_bytes(uv_poll_t *poll, int status, int events) {
    (void)status, (void)events;
    struct http_listener *listener = poll->data;
    struct epoll_event ready[WAKES_MAX];
    int count = epoll_wait(listener->handshakes_fd, ready, WAKES_MAX, 0);
    for (int i = 0; i < count; i++)
        unpark(ready[i].data.ptr);
}

enum status handshakes_open(struct http_listener *listener, struct error *err) {
    listener->handshakes_fd = epoll_create1(EPOLL_CLOEXEC);
    if (listener->handshakes_fd < 0)
        return error_set(err, STATUS_INTERNAL, "No descriptor for handshakes on %s.",
                         listener->options.address);
    return STATUS_OK;
}

void handshakes_watch(struct http_listener *listener) {
    int failure =
        uv_poll_init(loop_uv(listener->loop), &listener->handshakes, listener->handshakes_fd);
    assert(!failure && "an epoll descriptor can be polled");
    listener->handshakes.data = listener;
    listener->handles++;
    uv_poll_start(&listener->handshakes, UV_READABLE, on_bytes);
}

void handshakes_resume_all(struct http_listener *listener) {
    struct connection *connection;
    LIST_FOREACH(connection, &listener->connections, entry)
    if (connection->parked)
        unpark(connection);
}

static void on_closed(uv_handle_t *handle) { listener_handle_closed(handle->data); }

void handshakes_stop(struct http_listener *listener) {
    if (!listener->tls)
        return;
    uv_close((uv_handle_t *)&listener->handshakes, on_closed);
    close(listener->handshakes_fd);
}
