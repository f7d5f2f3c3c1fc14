/* HTTP listeners inside the libuv loop: libmicrohttpd daemons in external-epoll mode, whose epoll
 * descriptor is a uv_poll_t and whose timeout drives a uv_timer_t. Only server/http includes
 * microhttpd.h.
 */
#ifndef FACEPAIR_SERVER_HTTP_LISTENER_H
#define FACEPAIR_SERVER_HTTP_LISTENER_H

#include "server/http/clients.h"
#include "server/http/request.h"
#include "server/http/tls.h"
#include "server/loop.h"
#include "server/metrics.h"

/* What the runtime needs to know of the application: its routes, how it words an error, whom it
 * lets in. */
struct http_application {
    const struct http_endpoint *const *endpoints; /* NULL at the end */
    /* Renders any error, the runtime's own (404, 405, 413, 421, …) too, as one reply. */
    void (*reply_problem)(struct http_request *request, enum status status,
                          const struct error *err);
    struct metrics *metrics; /* http_* families are observed by the runtime */
    void *context;           /* the application's own */

    /* Who calls, and whether he may have the endpoint: asked once its route is known, before its
     * body; not for probes. Other than STATUS_OK is answered as a problem. NULL: anybody may. */
    enum status (*authorize)(struct http_request *request, struct error *err);
    /* The answer is on its way. NULL: nobody asks. */
    void (*answered)(const struct http_request *request, unsigned status);

    /* Guards while no key exists: hosts besides localhost, 127.0.0.1 and [::1], exact origins. NULL
     * at the end; NULL allowed. */
    const char *const *allowed_hosts;
    const char *const *allowed_origins;
    bool guard_hosts; /* false only with --insecure or keys */
};

/* What is asked of the address that a request comes from. */
struct http_address_options {
    struct clients_limits limits;
    /* Proxies: what they say in X-Forwarded-For is believed (forwarded.c), and no limit is on their
     * own connections. Borrowed. */
    const struct ip_range *trusted;
    size_t trusted_count;
    bool logged; /* the log tells of each request whose it was */
};

struct http_listener_options {
    unsigned role;       /* HTTP_PUBLIC, HTTP_ADMIN or HTTP_METRICS */
    const char *address; /* "127.0.0.1:8080", "[::1]:0" */
    int bound;           /* http_address_bind()'s, the listener's from now on; 0: it is bound now */
    unsigned connections_max;
    /* Total deadlines, not inactivity: past one the socket is shut down. A body must also keep to
     * 1 KiB a second. The time that the application takes is its own affair; `answer` begins with
     * its reply. */
    unsigned header_ms_max, body_ms_max, answer_ms_max;
    size_t header_bytes_max;
    struct tls *tls; /* NULL: plain; else the listener holds it too */
    /* Asks for a certificate, and serves nothing but probes to who has none of tls->client_ca: 401
     * without one, 403 with one that is not accepted. Its common name is told: as it is
     * where it has at most 31 bytes; else in 32, of which the last 17 are '~' and 16 hexadecimal
     * digits of its SHA-256, so that no two names become one. Keys are asked for all the same. */
    bool ask_client;
    struct http_address_options addresses;
};

struct http_listener;

/* A socket that has the address and refuses connections until a listener is started on it: what
 * only root may do, and what a sandbox forbids, long before there is anything to answer with. */
enum status http_address_bind(const char *address, int *fd, struct error *err);
/* Starts accepting once the loop runs. STATUS_INTERNAL with the address and the cause in
 * err when it cannot. */
enum status http_listener_start(const struct http_listener_options *options,
                                const struct http_application *application, struct loop *loop,
                                struct http_listener **listener, struct error *err);
unsigned http_listener_port(const struct http_listener *listener); /* the port bound, for port 0 */
/* Connections that come from now on speak TLS with this, which the listener holds too; those that
 * are there end with their next answer. A listener that is plain stays so. */
void http_listener_renew(struct http_listener *listener, struct tls *tls);
/* From now on every answer says Connection: close, so that callers go elsewhere with their next
 * request; connections are accepted as before. */
void http_listener_farewell(struct http_listener *listener);
/* Stops accepting; every further answer says Connection: close; idle connections are closed;
 * `drained` is called on the loop once no request is left. */
void http_listener_drain(struct http_listener *listener, void (*drained)(void *context),
                         void *context);
/* Only when drained, or when the loop no longer runs; never with a suspended request. Its handles
 * close in the next turn of the loop, or in loop_destroy(). NULL allowed. */
void http_listener_stop(struct http_listener *listener);
/* "127.0.0.1:8080" names a loopback address. */
bool http_address_is_loopback(const char *address);

#endif
