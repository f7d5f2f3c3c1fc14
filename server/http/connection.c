/* Deadlines are total, not inactivity: libmicrohttpd's own timeout starts again with every byte, so
 * that one byte every two seconds would hold a connection for ever. Sweeps look at every connection
 * ten times a second, a part of them at a time, lest a thousand hold up the loop. Past its deadline
 * a socket is shut down: libmicrohttpd then sees its end and completes the request in the ordinary
 * way.
 *
 * Between two requests of a connection nothing tells that the next header has begun, so the sweep
 * asks the kernel when the last byte came: from the first sweep that finds one later than the last
 * answer, the header's deadline runs. A connection that stays silent is closed by libmicrohttpd
 * after HTTP_KEEPALIVE_S.
 *
 * libmicrohttpd tells of a request once its first line is whole. Of one that comes slower a sweep
 * notices the first byte, within a tenth of a second; over TLS handshake.c does, since there a
 * handshake's bytes came before. From then on the time that its caller gave it runs: not from the
 * connection's beginning, after which a client may be silent until it has something to ask.
 *
 * libmicrohttpd misses a client's end that is already there when it reads the last bytes: its
 * events are edges, and that one is past. The sweep asks the kernel for this too, and makes another
 * event; without it an upload that was broken off would keep its memory until its deadline.
 *
 * Before the limit of connections is reached, each new one has the one closed that has been silent
 * between requests, or busy with a header or with a body that is refused, for longest, if that is a
 * second or more (nginx does alike): a thousand sockets that say nothing, or a byte now and then,
 * keep nobody out, and a thousand that come at once do not drive each other away. Each sweep does
 * so too: at the limit none comes any more, and those that came at once are a second old by then.
 *
 * An answer that was made just before a drain began says nothing of it, and its client keeps the
 * connection: each sweep of a drain closes those that have fallen idle since.
 *
 * While a request is suspended its socket is in no epoll set, and each sweep asks the kernel
 * whether the client is still there: within less than a batch's time. Only a request that a sweep
 * finds waiting can be dropped for it: to watch every one would cost the short ones, which are
 * most, three system calls each to learn nothing. Half-closing counts as leaving, as with nginx.
 */
#include "server/http/connection.h"

#include "server/clock.h"
#include "server/http/heard.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { KERNEL_TICK_US = 20 * 1000 }; /* the kernel's times are no finer than this */

/* Nothing is answered: a socket that is closed at once costs least. */
enum MHD_Result connection_policy(void *cls, const struct sockaddr *address, socklen_t size) {
    (void)size;
    struct http_listener *listener = cls;
    const struct http_address_options *options = &listener->options.addresses;
    struct ip peer;
    if (!listener->clients || !ip_of_socket(address, &peer) ||
        ip_is_in(&peer, options->trusted, options->trusted_count) ||
        clients_may_connect(listener->clients, &peer))
        return MHD_YES;
    listener_rejected(listener, "address_connections");
    return MHD_NO;
}

static void note_peer(struct connection *connection, struct MHD_Connection *mhd) {
    struct http_listener *listener = connection->listener;
    const struct http_address_options *options = &listener->options.addresses;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    connection->counted =
        info && ip_of_socket(info->client_addr, &connection->address) && listener->clients &&
        !ip_is_in(&connection->address, options->trusted, options->trusted_count) &&
        clients_connect(listener->clients, &connection->address);
}

/* Since when the beginning of a request has been waited for, or the end of one that is refused;
 * UINT64_MAX: neither. */
static uint64_t waiting_since_us(const struct connection *connection) {
    const struct http_request *request = connection->request;
    if (connection->given_up || connection->sent_away)
        return UINT64_MAX;
    if (request && request->phase == PHASE_DROP)
        return request->early ? UINT64_MAX : request->refused_us;
    if (request && request->phase != PHASE_HEADER)
        return UINT64_MAX;
    return connection->began_us ? connection->began_us : connection->idle_since_us;
}

static void keep_some_free(struct http_listener *listener, uint64_t now_us) {
    size_t most = listener->options.connections_max;
    size_t spare = (most + HTTP_SPARE_SHARE - 1) / HTTP_SPARE_SHARE;
    if (listener->connections_count <= most - spare)
        return;
    struct connection *connection, *oldest = NULL;
    uint64_t oldest_us = now_us - HTTP_SPARE_US;
    LIST_FOREACH(connection, &listener->connections, entry)
    if (waiting_since_us(connection) < oldest_us) {
        oldest = connection;
        oldest_us = waiting_since_us(connection);
    }
    if (!oldest)
        return;
    oldest->sent_away = true;
    shutdown(oldest->fd, SHUT_RD); /* what has come is still answered */
    listener_rejected(listener, "crowded");
}

static void connection_started(struct http_listener *listener, struct MHD_Connection *mhd,
                               void **socket_context) {
    struct connection *connection = calloc(1, sizeof *connection);
    *socket_context = connection;
    listener->accepted++;
    if (!connection)
        return; /* exchange_begin() finds no record and the connection is closed */
    connection->listener = listener;
    connection->mhd = mhd;
    connection->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    connection->began_us = clock_monotonic_us();
    note_peer(connection, mhd);
    LIST_INSERT_HEAD(&listener->connections, connection, entry);
    LIST_INSERT_HEAD(&listener->turns[listener->accepted % HTTP_SWEEP_TURNS], connection,
                     turn_entry);
    listener->connections_count++;
    if (listener->tls)
        tls_begin(connection);
    keep_some_free(listener, connection->began_us);
}

static void connection_closed(struct http_listener *listener, struct connection *connection) {
    if (!connection)
        return;
    LIST_REMOVE(connection, entry);
    LIST_REMOVE(connection, turn_entry);
    listener->connections_count--;
    if (connection->tls && !connection->greeted && !connection->given_up)
        listener_rejected(listener, "handshake");
    tls_release(connection->tls);
    if (connection->counted)
        clients_disconnect(listener->clients, &connection->address);
    /* At its limit the daemon has stopped listening, and only its next run begins again. */
    listener_wake(listener);
    free(connection);
}

void connection_notify(void *cls, struct MHD_Connection *mhd, void **socket_context,
                       enum MHD_ConnectionNotificationCode code) {
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        connection_started(cls, mhd, socket_context);
    else
        connection_closed(cls, *socket_context);
}

static bool later_than(uint64_t now_us, uint64_t since_us, uint64_t allowed_us) {
    return now_us > since_us && now_us - since_us > allowed_us;
}

static bool body_too_slow(const struct http_request *request, uint64_t now_us) {
    uint64_t since_us = request->head_us + request->full_us;
    if (!later_than(now_us, since_us, HTTP_BODY_RATE_GRACE_US))
        return false;
    uint64_t due = (now_us - since_us) / 1000 * HTTP_BODY_RATE_MIN / 1000;
    return request->body_bytes < due;
}

/* A stream may take as long as its client keeps to the rate; it must not fall silent either: what
 * it sent at the beginning would let it hold its place for days. Nothing is due from a client while
 * the application has no room. */
static bool stream_overdue(const struct http_request *request, uint64_t now_us) {
    return !request->suspended && (later_than(now_us, request->piece_us,
                                              request->listener->options.body_ms_max * 1000ull) ||
                                   body_too_slow(request, now_us));
}

/* While draining, what a client has still to do is waited for only so long. */
static bool drain_overdue(const struct http_request *request, uint64_t now_us) {
    uint64_t since_us = request->listener->drain_us;
    if (!request->listener->draining || request->suspended || request->phase == PHASE_APPLICATION)
        return false;
    if (request->phase == PHASE_ANSWER && request->answered_us > since_us)
        since_us = request->answered_us;
    return later_than(now_us, since_us, HTTP_DRAIN_US_MAX);
}

static bool request_overdue(const struct http_request *request, uint64_t now_us) {
    const struct http_listener_options *options = &request->listener->options;
    uint64_t began_us = request->connection->began_us;
    if (drain_overdue(request, now_us))
        return true;
    switch (request->phase) {
    case PHASE_HEADER:
        return later_than(now_us, began_us ? began_us : request->started_us,
                          options->header_ms_max * 1000ull);
    case PHASE_DROP:
        if (request->dropped_us && later_than(now_us, request->dropped_us, HTTP_DROP_US_MAX))
            return true;
        /* fall through */
    case PHASE_BODY:
        if (request->phase == PHASE_BODY && request->body_kind == HTTP_BODY_STREAM)
            return stream_overdue(request, now_us);
        return later_than(now_us, request->head_us, options->body_ms_max * 1000ull) ||
               body_too_slow(request, now_us);
    case PHASE_APPLICATION:
        return false; /* the application's own deadline */
    case PHASE_ANSWER:
        return !request->stream &&
               later_than(now_us, request->answered_us, options->answer_ms_max * 1000ull);
    }
    return false;
}

static bool kernel_tells(const struct connection *connection, struct tcp_info *info) {
    socklen_t size = sizeof *info;
    *info = (struct tcp_info){0};
    return getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0;
}

static bool is_being_read(const struct connection *connection) {
    return !connection->request || connection->request->phase < PHASE_APPLICATION;
}

/* Has the client of a suspended request gone? */
static void look_while_suspended(struct http_request *request) {
    struct connection *connection = request->connection;
    struct tcp_info info;
    if (connection->given_up || is_being_read(connection) || request->client_left ||
        !kernel_tells(connection, &info) || info.tcpi_state == TCP_ESTABLISHED)
        return;
    request->client_left = true;
    listener_rejected(request->listener, "client_left");
    if (request->endpoint->abandon)
        request->endpoint->abandon(request);
}

static bool header_has_begun(const struct connection *connection, const struct tcp_info *info,
                             uint64_t now_us) {
    uint64_t silence_us = info->tcpi_last_data_recv * 1000ull;
    if (connection->idle_since_us == 0)
        return !connection->tls && socket_has_heard(connection->fd);
    return later_than(now_us, connection->idle_since_us, silence_us + KERNEL_TICK_US);
}

/* A connection that is being read: has the client said its last, and, between two requests, has the
 * next header begun. */
static void look_while_read(struct connection *connection, uint64_t now_us) {
    struct tcp_info info;
    if (!kernel_tells(connection, &info))
        return;
    if (info.tcpi_state == TCP_CLOSE_WAIT) {
        /* Changes nothing (what is queued is still read) but makes a new event. */
        shutdown(connection->fd, SHUT_RD);
        return;
    }
    if (connection->request || !header_has_begun(connection, &info, now_us))
        return;
    if (connection->began_us == 0)
        connection->began_us = now_us;
    if (connection->heard_us == 0)
        connection->heard_us = now_us;
}

static bool header_overdue(const struct connection *connection, uint64_t now_us) {
    return connection->began_us != 0 &&
           later_than(now_us, connection->began_us,
                      connection->listener->options.header_ms_max * 1000ull);
}

/* What the kernel already holds of a request is still read and answered; one that was accepted a
 * moment ago has the time of a client who is waited for to say its first. */
static void close_where_idle(const struct connection *connection, uint64_t now_us) {
    bool new = !connection->greeted &&
               !later_than(now_us, connection->listener->drain_us, HTTP_DRAIN_US_MAX);
    if (!connection->request && !new)
        shutdown(connection->fd, SHUT_RD);
}

void connection_sweep(struct http_listener *listener, uint64_t now_us) {
    struct http_request *request, *next;
    keep_some_free(listener, now_us);
    for (request = LIST_FIRST(&listener->suspended); request; request = next) {
        next = LIST_NEXT(request, suspended_entry); /* to be abandoned may resume it */
        look_while_suspended(request);
    }
    struct connection *connection;
    LIST_FOREACH(connection, &listener->turns[listener->sweeps++ % HTTP_SWEEP_TURNS], turn_entry) {
        if (connection->given_up)
            continue;
        if (is_being_read(connection))
            look_while_read(connection, now_us);
        if (listener->draining)
            close_where_idle(connection, now_us);
        bool overdue = connection->request ? request_overdue(connection->request, now_us)
                                           : header_overdue(connection, now_us);
        if (!overdue)
            continue;
        connection->given_up = true;
        shutdown(connection->fd, SHUT_RDWR);
        listener_rejected(listener, "timeout");
    }
}

void connection_close_idle(struct http_listener *listener) {
    struct connection *connection;
    LIST_FOREACH(connection, &listener->connections, entry)
    close_where_idle(connection, listener->drain_us);
}
