/* libmicrohttpd in external-epoll mode: all its sockets are in one epoll descriptor, and that is a
 * uv_poll_t of the loop. MHD_run() then does everything that is ready. Three more things make it
 * run: its own next timeout (a uv_timer_t set after each run), the sweep, and a reply: a resumed
 * connection is not in its epoll set and nothing would wake it, so listener_wake() leaves a mark
 * that the prepare and check handles look at: replies that came in one turn of the loop are sent
 * together, in the same turn.
 *
 * Where it has more to do at once, as with a client that sends without end, an idle handle keeps
 * the next turn from waiting. A timer of 0 ms would not do: libuv 1.44 runs one that is started
 * from a timer's callback in the same turn, and no turn would end.
 *
 * Accepting: at its connection limit libmicrohttpd takes the listening socket out of its epoll set.
 * When the process has no descriptors left it does so too, until one of its own connections closes,
 * however many are free again by then: a sweep before which none was accepted therefore accepts one
 * itself. Without any connection libmicrohttpd leaves the socket where it is: it stays readable and
 * the loop would spin. Polls that accept nothing while there is no connection are therefore
 * counted, and after a few the poll rests until the next sweep.
 *
 * Draining: what waits to be accepted is, for the kernel would reset it. Then the listening socket
 * is closed; idle connections, and those that fall idle, get SHUT_RD (what the kernel already holds
 * of a request is still read and answered); every answer says Connection: close; and no client is
 * waited for longer than HTTP_DRAIN_US_MAX, with its first header, its body or with taking its
 * answer: only the application may take its time.
 */
#include "server/http/connection.h"

#include "server/clock.h"

#include <assert.h>
#include <gnutls/abstract.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IDLE_POLLS_MAX = 4, ACCEPT_US_MAX = 50 * 1000 };

static void on_idle(uv_idle_t *idle) { (void)idle; /* on_prepare() is next */ }

static void listener_run(struct http_listener *listener) {
    listener->dirty = false;
    MHD_run(listener->daemon);
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    if (MHD_get_timeout(listener->daemon, &timeout_ms) != MHD_YES)
        uv_timer_stop(&listener->timer);
    else if (timeout_ms == 0)
        listener->dirty = true;
    else
        uv_timer_start(&listener->timer, listener->timer.timer_cb, timeout_ms, 0);
    if (listener->dirty)
        uv_idle_start(&listener->idle, on_idle);
    else
        uv_idle_stop(&listener->idle);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    (void)status, (void)events;
    struct http_listener *listener = poll->data;
    size_t accepted = listener->accepted;
    bool empty = listener->connections_count == 0;
    listener_run(listener);
    bool useless = empty && accepted == listener->accepted;
    listener->idle_polls = useless ? listener->idle_polls + 1 : 0;
    if (listener->idle_polls > IDLE_POLLS_MAX) {
        uv_poll_stop(&listener->poll);
        listener->paused = true;
    }
}

static void on_timer(uv_timer_t *timer) { listener_run(timer->data); }

static void on_prepare(uv_prepare_t *prepare) {
    struct http_listener *listener = prepare->data;
    if (listener->dirty)
        listener_run(listener);
}

static void on_check(uv_check_t *check) {
    struct http_listener *listener = check->data;
    if (listener->dirty)
        listener_run(listener);
}

static void accept_one(struct http_listener *listener) {
    bool accepting = listener->accepted != listener->accepted_before;
    listener->accepted_before = listener->accepted;
    if (accepting || listener->draining ||
        listener->connections_count >= listener->options.connections_max)
        return;
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_LISTEN_FD);
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    int fd =
        accept4(info->listen_fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    MHD_add_connection(listener->daemon, fd, (struct sockaddr *)&address, size);
    listener_wake(listener);
}

static void on_sweep(uv_timer_t *sweep) {
    struct http_listener *listener = sweep->data;
    uint64_t now_us = clock_monotonic_us();
    accept_one(listener);
    connection_sweep(listener, now_us);
    linger_sweep(listener, now_us);
    if (listener->paused) {
        listener->paused = false;
        listener->idle_polls = 0;
        uv_poll_start(&listener->poll, UV_READABLE, on_poll);
    }
    listener_check_drained(listener);
}

void listener_wake(struct http_listener *listener) { listener->dirty = true; }

void listener_random(struct http_listener *listener, unsigned char *bytes, size_t size) {
    assert(size <= sizeof listener->random);
    if (listener->random_left < size) {
        ssize_t got = getrandom(listener->random, sizeof listener->random, 0);
        assert(got == sizeof listener->random); /* never shorter once the kernel is seeded */
        listener->random_left = sizeof listener->random;
    }
    listener->random_left -= size;
    memcpy(bytes, listener->random + listener->random_left, size);
}

void listener_rejected(struct http_listener *listener, const char *reason) {
    metrics_add(listener->application->metrics, METRIC_REJECTED, 1, reason);
}

/* Every escape stays as it was sent: routes match raw bytes. */
static size_t unescape_nothing(void *cls, struct MHD_Connection *mhd, char *text) {
    (void)cls, (void)mhd;
    return strlen(text);
}

/* libmicrohttpd wants to know of a certificate. Every session is given its own (tls_begin), or, for
 * want of memory, none. */
static int no_certificate(gnutls_session_t session, const gnutls_datum_t *names, int names_count,
                          const gnutls_pk_algorithm_t *algorithms, int algorithms_count,
                          gnutls_pcert_st **certificates, unsigned *certificates_count,
                          gnutls_privkey_t *key) {
    (void)session, (void)names, (void)names_count, (void)algorithms, (void)algorithms_count;
    (void)certificates, (void)certificates_count, (void)key;
    return -1;
}

static const char TLS_PRIORITIES[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"
    "-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:%SERVER_PRECEDENCE";

/* libmicrohttpd's memory for one connection. Half of it is the read buffer, which is to hold a
 * header. All of it is overwritten between two requests, so more than needed drives everything else
 * from the processor's caches: of 1,024 busy connections 36 instead of 64 KiB each made a tenth
 * more answers a second. Above 32 KiB it comes from mmap, so that the bytes of a body go back to
 * the kernel with the connection. */
static size_t connection_bytes(const struct http_listener *listener) {
    enum { LEAST = 36 * 1024, BESIDE = 4 * 1024 /* the answer's header, and what is noted */ };
    size_t bytes = 2 * listener->options.header_bytes_max + BESIDE;
    return bytes < LEAST ? LEAST : bytes;
}

static enum status daemon_start(struct http_listener *listener, int fd, struct error *err) {
    const struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)no_certificate},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL}};
    listener->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (listener->tls ? MHD_USE_TLS : 0), 0,
        connection_policy, listener, exchange_handle, listener, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, listener->options.connections_max,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_KEEPALIVE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_bytes(listener),
        MHD_OPTION_NOTIFY_CONNECTION, connection_notify, listener, MHD_OPTION_NOTIFY_COMPLETED,
        exchange_completed, listener, MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, listener,
        MHD_OPTION_UNESCAPE_CALLBACK, unescape_nothing, NULL, MHD_OPTION_ARRAY,
        listener->tls ? tls : plain, MHD_OPTION_END);
    if (!listener->daemon)
        return error_set(err, STATUS_INTERNAL, "libmicrohttpd does not start on %s.",
                         listener->options.address);
    return STATUS_OK;
}

static void handles_open(struct http_listener *listener, int epoll_fd) {
    uv_loop_t *uv = loop_uv(listener->loop);
    int failure = uv_poll_init(uv, &listener->poll, epoll_fd);
    assert(!failure && "an epoll descriptor can be polled");
    uv_timer_init(uv, &listener->timer);
    uv_timer_init(uv, &listener->sweep);
    uv_prepare_init(uv, &listener->prepare);
    uv_check_init(uv, &listener->check);
    uv_idle_init(uv, &listener->idle);
    listener->poll.data = listener->timer.data = listener->sweep.data = listener;
    listener->prepare.data = listener->check.data = listener->idle.data = listener;
    listener->handles = 6;
    uv_poll_start(&listener->poll, UV_READABLE, on_poll);
    /* The first run puts the listening socket into the epoll set. */
    uv_timer_start(&listener->timer, on_timer, 0, 0);
    uv_timer_start(&listener->sweep, on_sweep, HTTP_SWEEP_MS, HTTP_SWEEP_MS);
    uv_prepare_start(&listener->prepare, on_prepare);
    uv_check_start(&listener->check, on_check);
    if (listener->tls)
        handshakes_watch(listener);
}

static void destroy(struct http_listener *listener) {
    clients_destroy(listener->clients);
    spare_destroy(listener->spare);
    free(listener);
}

/* What is kept of addresses, where anything is limited by them. */
static enum status clients_open(struct http_listener *listener, struct error *err) {
    const struct clients_limits *limits = &listener->options.addresses.limits;
    if (limits->connections_max == 0 && !(limits->rate.per_s > 0))
        return STATUS_OK;
    listener->clients = clients_create(limits);
    return listener->clients ? STATUS_OK : error_set(err, STATUS_INTERNAL, "Out of memory.");
}

enum status http_listener_start(const struct http_listener_options *options,
                                const struct http_application *application, struct loop *loop,
                                struct http_listener **out, struct error *err) {
    assert(options->connections_max > 0 && options->header_bytes_max > 0);
    assert(options->tls || !options->ask_client);
    struct http_listener *listener = calloc(1, sizeof *listener);
    if (!listener)
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    listener->options = *options;
    listener->application = application;
    listener->loop = loop;
    listener->handshakes_fd = -1;
    listener->tls = tls_acquire(options->tls);
    int fd = options->bound ? options->bound : -1;
    listener->spare = spare_create(HTTP_BODIES_KEPT_BYTES);
    enum status status = listener->spare ? clients_open(listener, err)
                                         : error_set(err, STATUS_INTERNAL, "Out of memory.");
    if (status == STATUS_OK && !options->bound)
        status = http_address_bind(options->address, &fd, err);
    if (status == STATUS_OK)
        status = address_listen(options->address, fd, &listener->port, err);
    if (status == STATUS_OK && listener->tls)
        status = handshakes_open(listener, err);
    if (status != STATUS_OK)
        goto fail_listen;
    status = daemon_start(listener, fd, err);
    if (status != STATUS_OK)
        goto fail_daemon;
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    handles_open(listener, info->epoll_fd);
    *out = listener;
    return STATUS_OK;

fail_daemon:
    if (listener->tls)
        close(listener->handshakes_fd);
fail_listen:
    if (fd >= 0)
        close(fd);
    tls_release(listener->tls);
    destroy(listener);
    return status;
}

unsigned http_listener_port(const struct http_listener *listener) { return listener->port; }

void listener_check_drained(struct http_listener *listener) {
    if (!listener->drained || listener->connections_count > 0 || listener->lingers_count > 0)
        return;
    void (*drained)(void *) = listener->drained;
    listener->drained = NULL;
    drained(listener->drained_context);
}

void http_listener_renew(struct http_listener *listener, struct tls *tls) {
    if (!listener->tls)
        return;
    tls_acquire(tls);
    tls_release(listener->tls);
    listener->tls = tls;
}

void http_listener_farewell(struct http_listener *listener) { listener->farewell = true; }

/* Those that are answered at once make room for more, so there may be no end of them. */
static void accept_waiting(struct http_listener *listener) {
    size_t before, most = listener->accepted + listener->options.connections_max;
    do {
        before = listener->accepted;
        MHD_run(listener->daemon);
    } while (listener->accepted > before && listener->accepted < most &&
             listener->connections_count < listener->options.connections_max &&
             clock_monotonic_us() - listener->drain_us < ACCEPT_US_MAX);
    listener_wake(listener);
}

void http_listener_drain(struct http_listener *listener, void (*drained)(void *context),
                         void *context) {
    assert(!listener->draining);
    listener->draining = listener->farewell = true;
    listener->drain_us = clock_monotonic_us();
    listener->drained = drained;
    listener->drained_context = context;
    accept_waiting(listener);
    close(MHD_quiesce_daemon(listener->daemon)); /* no longer the daemon's */
    connection_close_idle(listener);
    /* `drained` is called by the sweep, never from within this call. */
}

void listener_handle_closed(struct http_listener *listener) {
    assert(listener->handles > 0);
    if (--listener->handles == 0 && listener->stopped)
        destroy(listener);
}

static void on_closed(uv_handle_t *handle) { listener_handle_closed(handle->data); }

void http_listener_stop(struct http_listener *listener) {
    if (!listener)
        return;
    assert(LIST_EMPTY(&listener->suspended));
    listener->stopped = true;
    uv_close((uv_handle_t *)&listener->poll, on_closed);
    uv_close((uv_handle_t *)&listener->timer, on_closed);
    uv_close((uv_handle_t *)&listener->sweep, on_closed);
    uv_close((uv_handle_t *)&listener->prepare, on_closed);
    uv_close((uv_handle_t *)&listener->check, on_closed);
    uv_close((uv_handle_t *)&listener->idle, on_closed);
    linger_stop_all(listener);
    handshakes_resume_all(listener);
    MHD_stop_daemon(listener->daemon);
    linger_stop_all(listener); /* those that the last answers began */
    handshakes_stop(listener);
    tls_release(listener->tls);
}
