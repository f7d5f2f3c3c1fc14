/* One HTTP request as the application sees it, and the table through which the application is
 * entered.
 *
 * The way of a request: the header arrives -> the route is looked up by the raw path bytes ->
 * header-only checks (guards, the declared length, `admit`) -> the body is collected in memory
 * under the endpoint's limits -> `finish` -> exactly one http_reply_*(). `finish` either replies
 * before it returns or calls http_request_suspend() and lets a later event on the loop reply.
 * Everything here is called on the loop thread only.
 *
 * A stream (HTTP_BODY_STREAM) is not collected: its pieces go to `take` as they come, and no more
 * are read while the application has no room. It may be refused in the middle: that answer is sent
 * at once, and what still comes is dropped for at most 2 s. The runtime refuses it too, past its
 * limit: what the application has under way for it then asks http_request_replied() before it
 * replies.
 *
 * Refusals: what the header decides is answered without the body. A refused body of at most 2 MiB
 * is read and dropped first and the connection stays usable; before a larger or a chunked one the
 * answer says Connection: close, and what still comes is dropped for at most 2 s. A fault within
 * the body is answered at its end.
 *
 * Lifetime: a request lives until the connection has finished with it; while it is suspended it
 * lives at least until the reply, also when its client has left (`abandon` is called then, once,
 * and the reply is still owed; it goes nowhere). Whatever was collected of the body is overwritten
 * before it is freed.
 */
#ifndef FACEPAIR_SERVER_HTTP_REQUEST_H
#define FACEPAIR_SERVER_HTTP_REQUEST_H

#include "server/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_request;
struct http_application;
struct http_listener_options;

/* The listeners an endpoint is served on. */
enum { HTTP_PUBLIC = 1, HTTP_ADMIN = 2, HTTP_METRICS = 4 };

/* Which bodies an endpoint takes. */
enum { HTTP_BODY_NONE = 0, HTTP_BODY_MULTIPART = 1, HTTP_BODY_JSON = 2, HTTP_BODY_STREAM = 4 };

struct http_body_limits {
    unsigned kinds;             /* HTTP_BODY_*; a stream stands alone */
    size_t multipart_bytes_max; /* whole bodies, declared or chunked: 413 body_too_large */
    size_t json_bytes_max;
    size_t file_bytes_max;  /* one part named in `files` */
    size_t field_bytes_max; /* any other part: 400 invalid_field */
    unsigned parts_max;
    const char *const *files; /* names of the parts that are files, NULL at the end */
    uint64_t stream_bytes_max;
    const char *const *stream_types; /* besides none at all; NULL at the end */
};

struct http_endpoint {
    const char *method; /* "GET", "POST", … (HEAD is answered wherever GET is) */
    const char *path;   /* "/v1/models/{model}": a segment in braces, of which there may be two,
                           matches   one non-empty segment of at most 255 bytes, raw; of two paths
                           that   match, the first in the table serves */
    const char *route;  /* the label of logs and metrics; an alias names the route it is for */
    unsigned listeners; /* HTTP_PUBLIC | … */
    bool probe;         /* answered without the Host and Origin guards, and without a key */
    unsigned rights;    /* what a caller needs, in the application's own bits; 0: nothing */
    const struct http_body_limits *body; /* NULL: no body is accepted */
    const char *const *query; /* names of the parameters it takes, NULL at the end; NULL: none */
    /* From the header alone; NULL: admit all. Other than STATUS_OK is answered as a problem and the
     * body is dropped. */
    enum status (*admit)(struct http_request *request, struct error *err);
    /* A piece of a stream; how many of its bytes are taken. With fewer than all, no more come until
     * http_request_continue(). May reply, with a refusal: then the piece is taken, and `finish` is
     * not called. */
    size_t (*take)(struct http_request *request, const uint8_t *data, size_t size);
    void (*finish)(struct http_request *request);
    /* The client of a suspended request, or of an answer that is a stream, has left; may be NULL */
    void (*abandon)(struct http_request *request);
    void (*release)(struct http_request *request); /* frees http_request_state(); called once at the
                                                      end; may be NULL */
};

struct http_part {
    const char *name;    /* as sent */
    const uint8_t *data; /* borrowed until the request ends */
    size_t size;
};

/* ---- what arrived ---- */
const struct http_application *http_request_application(const struct http_request *request);
const struct http_endpoint *
http_request_endpoint(const struct http_request *request); /* NULL: unmatched */
enum { HTTP_ID_SIZE = 65 };
const char *http_request_id(
    const struct http_request *request); /* the client's X-Request-Id when well-formed, else ours */
const char *http_request_header(const struct http_request *request,
                                const char *name); /* first value, NULL: absent */
/* The segment in braces, raw, and of two the first; NULL: none. */
const char *http_request_parameter(const struct http_request *request);
const char *http_request_second_parameter(const struct http_request *request);
/* A parameter of the query, its escapes undone; NULL: absent. Each name stands there once. */
const char *http_request_query(const struct http_request *request, const char *name);
unsigned
http_request_body_kind(const struct http_request *request); /* HTTP_BODY_*, of the content type */
/* Multipart: the parts in order of arrival. A name that came twice is there twice (the application
 * answers duplicate_field). */
size_t http_request_parts(const struct http_request *request, const struct http_part **parts);
/* JSON: the raw body. */
const uint8_t *http_request_body(const struct http_request *request, size_t *size);
/* The body is not needed any more: overwritten and freed now, and not only when the request ends.
 */
void http_request_drop_body(struct http_request *request);
uint64_t http_request_started_us(
    const struct http_request *request); /* monotonic: the first header byte was noticed, at most
                                            0.1 s after it came */
uint64_t http_request_received_us(
    const struct http_request *request); /* monotonic: the last body byte was seen */

unsigned http_request_listener_role(const struct http_request *request); /* HTTP_PUBLIC, … */
/* Of the listener that it came to (server/http/listener.h). */
const struct http_listener_options *
http_request_listener_options(const struct http_request *request);

/* ---- who calls: told by http_application.authorize, and by a client's certificate ---- */
enum { HTTP_CALLER_SIZE = 33 };
/* caller: its key, for the log, cut to HTTP_CALLER_SIZE − 1 bytes. */
void http_request_set_caller(struct http_request *request, const char *caller, unsigned rights);
const char *http_request_caller(const struct http_request *request); /* "": not known */
/* The name in the certificate that was shown and accepted (server/http/listener.h), beside a key or
 * without one; "": none. */
const char *http_request_certificate(const struct http_request *request);
unsigned http_request_rights(const struct http_request *request);
/* Whether it came past all that asks who calls: Host and Origin, certificate, key. */
bool http_request_authorized(const struct http_request *request);
/* How long a caller who is refused should wait; 0: not told. */
void http_request_set_retry_after(struct http_request *request, unsigned seconds);
unsigned http_request_retry_after(const struct http_request *request);

/* ---- the application's own ---- */
void http_request_set_state(struct http_request *request, void *state);
void *http_request_state(const struct http_request *request);
void http_request_suspend(struct http_request *request);
/* There is room again for what `take` has left. */
void http_request_continue(struct http_request *request);
/* The one reply has been given, by whomever. */
bool http_request_replied(const struct http_request *request);
bool http_request_client_left(const struct http_request *request);

#endif
