/* What the files of server/http share: the listener, a connection, a request, and who does what
 * with them. Private to this folder.
 *
 *   listener.c    the daemon inside the libuv loop; drain and stop
 *   address.c     "127.0.0.1:8080" -> a bound socket -> a listening one
 *   connection.c  one record for each socket: deadlines, clients that leave
 *   heard.c       whether a byte has come
 *   clients.c     connections and requests of one address; forwarded.c: whose address
 *   linger.c      bytes that come after the last answer
 *   tls.c         certificates; handshake.c: while they are shown; peer.c: the client's own
 *   exchange.c    libmicrohttpd's handler: header, body, answer, in this order
 *   head.c        what is decided from the header alone; guard.c, route.c, media type
 *   body.c        collects a body under its limits; multipart.c, disposition.c, buffer.c
 *   request.c     the application's view of a request
 *   query.c       the parameters after the question mark
 *   reply.c       the one answer; early.c: in the middle of a body; stream.c: as it comes
 *
 * Everything runs on the loop thread.
 */
#ifndef FACEPAIR_SERVER_HTTP_CONNECTION_H
#define FACEPAIR_SERVER_HTTP_CONNECTION_H

#include "server/http/buffer.h"
#include "server/http/listener.h"
#include "server/http/multipart.h"
#include "server/http/reply.h"
#include "server/http/request.h"
#include "server/http/tls.h"

#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <sys/queue.h>
#include <uv.h>

enum {
    HTTP_KEEPALIVE_S = 60, /* an idle connection is closed */
    HTTP_SWEEP_MS = 25,    /* how often clients of suspended requests are looked after, … */
    HTTP_SWEEP_TURNS = 4,  /* and every so many times the deadlines of each connection */
    HTTP_DROP_BYTES_MAX = 2 * 1024 * 1024,     /* a refused body that is still read to its end */
    HTTP_DROP_US_MAX = 2 * 1000 * 1000,        /* and how long one without a declared end is */
    HTTP_DRAIN_US_MAX = 300 * 1000,            /* a drain waits for no client longer than this */
    HTTP_SPARE_SHARE = 16,                     /* one in so many connections is kept free */
    HTTP_SPARE_US = 1000 * 1000,               /* by closing one that says nothing for so long */
    HTTP_BODY_RATE_MIN = 1024,                 /* bytes a second … */
    HTTP_BODY_RATE_GRACE_US = 5 * 1000 * 1000, /* … after this long */
    HTTP_PARAMETER_MAX = 255,
    HTTP_SEGMENTS_MAX = 2, /* in braces, of one path */
    HTTP_QUERY_MAX = 8,    /* parameters, each of at most HTTP_PARAMETER_MAX bytes */
    /* Kept of bodies that are done with: what a dozen pairs of ordinary photographs take. One that
     * is larger alone is not kept. */
    HTTP_BODIES_KEPT_BYTES = 16 * 1024 * 1024,
};

enum phase {
    PHASE_HEADER,      /* the request line was read */
    PHASE_BODY,        /* the body is collected */
    PHASE_DROP,        /* the body is read and dropped; request->failure is answered at its end */
    PHASE_APPLICATION, /* everything has arrived; the application has it */
    PHASE_ANSWER,      /* the answer is being sent */
};

struct connection;

struct query_parameter {
    const char *name; /* of the endpoint's table */
    char value[HTTP_PARAMETER_MAX + 1];
};

struct http_request {
    LIST_ENTRY(http_request) suspended_entry;
    struct http_listener *listener;
    struct connection *connection;
    struct MHD_Connection *mhd;
    enum phase phase;
    const char *method, *path;
    const char *certificate; /* its connection's peer; NULL: none was asked for, or accepted */
    struct query_parameter *parameters; /* as many as the endpoint has and were sent; owned */
    size_t parameters_count;
    bool head_seen; /* libmicrohttpd's own refusals never reach the handler */
    bool query;     /* a non-empty one */
    bool http10;
    bool preflight; /* an OPTIONS of CORS, answered by the runtime */
    const struct http_endpoint *endpoint;
    char id[HTTP_ID_SIZE];
    char parameter[HTTP_SEGMENTS_MAX][HTTP_PARAMETER_MAX + 1];
    char allow[64];   /* methods of a path that has others */
    struct ip client; /* whose request it is, where that is asked for */
    char caller[HTTP_CALLER_SIZE];
    bool authorized;
    unsigned rights, retry_after_s;

    /* the body */
    unsigned body_kind;
    bool chunked, expects_continue;
    uint64_t declared, body_bytes;
    char boundary[MULTIPART_BOUNDARY_MAX + 1];
    struct buffer json;
    struct multipart *multipart;
    /* When the header was complete; when it was refused, in PHASE_DROP; since when its end is
     * waited for HTTP_DROP_US_MAX alone, 0: for as long as it may take. */
    uint64_t head_us, refused_us, dropped_us;
    /* of a stream: when its last piece was taken, since when it waits for room, and how long it
     * has waited before */
    uint64_t piece_us, full_since_us, full_us;
    enum status failure;
    struct error error;

    /* the answer */
    struct stream *stream; /* the answer is one; the response's own */
    struct MHD_Response *response;
    unsigned response_status;
    uint64_t answered_us;
    bool suspend_wanted, suspended, replied, client_left;
    bool close;  /* Connection: close on the answer */
    bool linger; /* bytes may still come after it */
    bool early;  /* it was sent in the middle of the body */

    uint64_t started_us, received_us;
    void *state;
};

struct connection {
    LIST_ENTRY(connection) entry, turn_entry;
    struct http_listener *listener;
    struct MHD_Connection *mhd;
    struct http_request *request; /* NULL between requests */
    int fd;
    struct ip address;
    bool counted;           /* among those of its address */
    uint64_t began_us;      /* when the header that is awaited began; 0: not yet */
    uint64_t heard_us;      /* when its first byte was noticed; 0: not yet */
    uint64_t idle_since_us; /* when the last exchange ended; 0: there was none */
    bool given_up;          /* past a deadline and shut down */
    bool sent_away;         /* to make room; what it had sent is answered */
    bool greeted;           /* a request has begun */
    struct tls *tls;        /* what it began with; NULL: plain */
    bool parked;            /* suspended until its handshake goes on */
    bool shaken;            /* its handshake is done */
    bool peer_verified;     /* the client's certificate; `peer` is its name */
    char peer[HTTP_CALLER_SIZE];
};

struct lingering {
    LIST_ENTRY(lingering) entry;
    struct http_listener *listener;
    uv_poll_t poll;
    int fd;
    uint64_t until_us;
};

struct http_listener {
    struct http_listener_options options;
    const struct http_application *application;
    struct loop *loop;
    struct MHD_Daemon *daemon;
    struct tls *tls; /* for those that come; NULL: plain */
    unsigned port;
    uv_poll_t poll;
    uv_timer_t timer, sweep;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle; /* runs while the next turn of the loop must not wait */
    bool dirty;     /* a connection was resumed: the daemon must run */
    bool paused;    /* accepting failed for want of descriptors */
    unsigned idle_polls;
    unsigned handles; /* uv handles and records that are still open */
    bool stopped;
    LIST_HEAD(, connection) connections, turns[HTTP_SWEEP_TURNS]; /* each in one of these too */
    LIST_HEAD(, http_request) suspended;
    size_t connections_count, accepted, accepted_before; /* … the last sweep */
    struct clients *clients;                             /* NULL: no address has a limit */
    struct spare *spare;                                 /* of bodies */
    unsigned sweeps;
    LIST_HEAD(, lingering) lingers;
    size_t lingers_count;
    uv_poll_t handshakes; /* with TLS only */
    int handshakes_fd;
    bool farewell, draining;
    uint64_t drain_us; /* when draining began */
    void (*drained)(void *context);
    void *drained_context;
    unsigned char random[512];
    size_t random_left;
};

/* listener.c */
void listener_wake(struct http_listener *listener); /* runs the daemon in this turn of the loop */
void listener_handle_closed(struct http_listener *listener);
void listener_check_drained(struct http_listener *listener);
void listener_random(struct http_listener *listener, unsigned char *bytes, size_t size);
void listener_rejected(struct http_listener *listener, const char *reason);

/* address.c: fd is bound to it. */
enum status address_listen(const char *address, int fd, unsigned *port, struct error *err);

/* connection.c */
void connection_notify(void *cls, struct MHD_Connection *mhd, void **socket_context,
                       enum MHD_ConnectionNotificationCode code);
/* MHD_AcceptPolicyCallback */
enum MHD_Result connection_policy(void *cls, const struct sockaddr *address, socklen_t size);
void connection_sweep(struct http_listener *listener, uint64_t now_us);
void connection_close_idle(struct http_listener *listener);

/* linger.c */
void linger_start(struct http_listener *listener, int fd);
void linger_sweep(struct http_listener *listener, uint64_t now_us);
void linger_stop_all(struct http_listener *listener);

/* tls.c */
void tls_begin(struct connection *connection);
gnutls_session_t tls_session(const struct connection *connection);
/* Past libmicrohttpd, which is sending nothing; behind it the sending side is shut. */
void tls_send_last(struct connection *connection, const char *bytes, size_t size);

/* handshake.c */
enum status handshakes_open(struct http_listener *listener, struct error *err);
void handshakes_watch(struct http_listener *listener);
void handshakes_resume_all(struct http_listener *listener); /* before the daemon stops */
void handshakes_stop(struct http_listener *listener);       /* and after it */
void handshake_begin(struct connection *connection, gnutls_session_t session);

/* peer.c: STATUS_UNAUTHORIZED, STATUS_INSUFFICIENT_SCOPE. */
enum status peer_check(struct http_request *request, struct error *err);

/* exchange.c */
void *exchange_begin(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result exchange_handle(void *cls, struct MHD_Connection *mhd, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *size, void **request);
void exchange_completed(void *cls, struct MHD_Connection *mhd, void **request,
                        enum MHD_RequestTerminationCode code);
/* libmicrohttpd leaves the request's connection alone until it is resumed; meanwhile the sweep
 * looks whether its client is still there. */
void exchange_suspend(struct http_request *request);
void exchange_resume(struct http_request *request);

/* request.c */
void http_request_identify(struct http_request *request); /* its X-Request-Id */

/* head.c: the refusal of a request from its header, or STATUS_OK. Sets request->close where the
 * framing cannot be trusted. */
enum status head_check(struct http_request *request, struct error *err);
bool head_has_body(const struct http_request *request);

/* forwarded.c */
struct ip forwarded_client(const struct http_request *request);

/* guard.c */
enum status guard_check(const struct http_request *request, struct error *err);
const char *guard_allowed_origin(const struct http_request *request); /* NULL: none to tell */

/* route.c */
enum status route_find(struct http_request *request, struct error *err);

/* query.c: all that were sent are known to the endpoint, and none twice; or the refusal. */
enum status query_read(struct http_request *request, struct error *err);

/* body.c */
enum status body_begin(struct http_request *request, struct error *err);
enum status body_take(struct http_request *request, const char *data, size_t size,
                      struct error *err);
enum status body_end(struct http_request *request, struct error *err);
void body_wipe(struct http_request *request);

/* early.c: sends the response that was made, with this body, and has the rest dropped. */
void early_answer(struct http_request *request, const char *bytes, size_t size);

/* stream.c */
void stream_detach(struct http_request *request); /* the connection has finished with the request */

/* reply.c */
void reply_made(struct http_request *request, struct MHD_Response *response, int status,
                const char *content_type, const struct http_header *headers);
void reply_preflight(struct http_request *request);
void reply_observe(struct http_request *request); /* log line and metrics of an answer */

#endif
