/* A client that leaves while its request is suspended: its socket is then in no epoll set of
 * libmicrohttpd's, so a uv_poll_t waits for its disconnection. It must not be active when the
 * connection is resumed (reply.c stops it first). Half-closing counts as leaving, as with nginx.
 */
#include "server/http/connection.h"

static void client_gone(struct http_request *request) {
    request->client_left = true;
    listener_rejected(request->listener, "client_left");
    if (request->endpoint->abandon)
        request->endpoint->abandon(request);
}

static void on_disconnect(uv_poll_t *watch, int status, int events) {
    (void)status, (void)events;
    struct connection *connection = watch->data;
    uv_poll_stop(watch);
    if (connection->request && connection->request->suspended)
        client_gone(connection->request);
}

void watch_start(struct connection *connection) {
    if (!connection->watch_open) {
        if (uv_poll_init(loop_uv(connection->listener->loop), &connection->watch, connection->fd) !=
            0)
            return; /* it only costs the work for a client that has left */
        connection->watch.data = connection;
        connection->watch_open = true;
        connection->listener->handles++;
    }
    uv_poll_start(&connection->watch, UV_DISCONNECT, on_disconnect);
}

void watch_stop(struct connection *connection) {
    if (connection->watch_open)
        uv_poll_stop(&connection->watch);
}
