/* One verification under way. Everything a request needs is in this struct or hangs on it, and is
 * overwritten when it is freed. Between a pool_submit or batcher_submit and the message that comes
 * back from it, the photograph or the pair belongs to that thread and the loop reads none of it but
 * the two atomic flags. */
#ifndef FACEPAIR_API_VERIFY_H
#define FACEPAIR_API_VERIFY_H

#include "api/service.h"
#include "api/verify_body.h"
#include "model/decision.h"

#include <stdatomic.h>

struct verify;

struct verify_photo {
    struct pool_task task; /* first: the pool's own */
    struct loop_message message;
    struct verify *verify;
    unsigned index; /* 0: image1 */
    struct prepared prepared;
    uint64_t taken_us, done_us; /* the pool thread's begin and end */
    enum status status;
    struct error error;
};

struct verify {
    struct service *service;
    struct http_request *request;
    size_t body_bytes;     /* what admission set aside */
    uint64_t deadline_us;  /* clock_monotonic_us */
    atomic_bool abandoned; /* the client left: whoever picks it up drops it */
    bool suspended;
    struct pool_task read_task; /* the JSON body */
    struct loop_message message;
    struct verify_body body;
    struct model_version *version; /* acquired, or NULL */
    struct decision decision;
    struct verify_photo photos[2];
    unsigned photos_waiting;
    size_t input_values; /* of one photograph: 3 × side × side */
    float *inputs;       /* (2, 3, side, side) */
    float *embeddings;   /* (2, embedding_length) */
    struct batch_pair pair;
    uint64_t prepared_us; /* both photographs are ready */
    struct faults faults; /* last: its 13 KB are neither zeroed nor overwritten as a whole */
};

/* http_endpoint's hooks. */
enum status verify_admit(struct http_request *request, struct error *err);
void verify_finish(struct http_request *request);
void verify_abandon(struct http_request *request);
void verify_release(struct http_request *request);

/* The answer of a pair that was embedded: decision, JSON, metrics, reply. Loop thread. */
void verify_answer(struct verify *verify);

#endif
