/* A request that is one errand to the disk thread: the body and the path are looked at on the loop,
 * the work is done where it may wait, the answer is made back on the loop. A client that leaves
 * meanwhile changes nothing: what it asked for is done.
 *
 * An endpoint's own struct begins with a struct errand and is the request's state.
 */
#ifndef FACEPAIR_API_ERRAND_H
#define FACEPAIR_API_ERRAND_H

#include "api/disk.h"
#include "server/http/request.h"

struct errand;
struct errand_kind {
    /* On the disk thread. Other than STATUS_OK, with err, is answered as a problem. */
    enum status (*work)(struct errand *errand, struct error *err);
    void (*answer)(struct errand *errand);  /* on the loop, after STATUS_OK: replies */
    void (*release)(struct errand *errand); /* what hangs on it; may be NULL */
};

struct errand {
    struct disk_task task; /* first */
    const struct errand_kind *kind;
    struct http_request *request;
    struct service *service;
    enum status status;
    struct error err;
};

/* For http_endpoint.admit of what needs the store: STATUS_DRAINING, or STATUS_NOT_FOUND where this
 * process keeps none. */
enum status errand_admit(struct http_request *request, struct error *err);
/* `size` bytes, zeroed but for kind, request and service. kind: lives as long as the process. NULL:
 * out of memory. */
void *errand_make(struct http_request *request, const struct errand_kind *kind, size_t size);
/* The same for `finish`. NULL: the request has been answered. */
void *errand_create(struct http_request *request, const struct errand_kind *kind, size_t size);
/* The errand goes out and the request is suspended; or a full queue is answered. */
void errand_send(struct errand *errand);
/* http_endpoint.release */
void errand_release(struct http_request *request);

#endif
