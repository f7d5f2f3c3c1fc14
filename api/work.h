/* A request under way that needs more than the loop: what POST /v1/verify, /v1/embeddings and
 * /v1/compare have in common. The endpoint's own struct begins with a struct work.
 *
 *     work_admit     loop    from the header alone: room for the body and the work, the deadline
 *     work_finish    loop    the body is here; a form is read at once
 *                    pool    JSON is parsed and its base64 decoded (up to 29 MiB of text)
 *     kind->choose   loop    the body has no fault: the version, and what can be refused by it
 *     attempt_begin          where the request names a subject (api/attempt.h)
 *     kind->begin    loop    somebody waits: the endpoint's part begins
 *     work_release   loop    after the reply, when nothing is out any more
 *
 * Work goes out through two bounded queues and comes back by loop_post(). A place in the pool's
 * queue is set aside before a task is pushed (service_reserve), so a push is never refused. Between
 * a push and the message that comes back the loop reads nothing of what was handed over but the
 * atomic flag. A deadline is looked at whenever a step begins: work past it is not started, work
 * that has started is finished and answered. Whatever hangs on a request is overwritten when it is
 * freed.
 */
#ifndef FACEPAIR_API_WORK_H
#define FACEPAIR_API_WORK_H

#include "api/body.h"
#include "api/service.h"
#include "api/timings.h"

#include <stdatomic.h>

struct work;
struct attempt;

struct work_kind {
    size_t size;   /* of the endpoint's struct; all of it is zeroed */
    size_t tasks;  /* places in the pool's queue without which a request is not admitted */
    bool prepares; /* photographs, behind those that wait for it */
    const struct body_shape *shape;
    /* On the pool thread, after a JSON body without faults was read; may add faults. May be NULL.
     */
    void (*read)(struct work *work);
    /* Acquires the version and refuses what can be refused before anything is computed or counted;
     * false: replied. */
    bool (*choose)(struct work *work);
    void (*begin)(struct work *work);
    void (*release)(struct work *work); /* what the endpoint hung on its struct; may be NULL */
};

struct work {
    const struct work_kind *kind;
    struct service *service;
    struct http_request *request;
    size_t body_bytes;     /* what admission set aside */
    size_t tasks;          /* the places of the pool's queue that it holds */
    size_t photographs;    /* that it has taken on and that are not prepared yet */
    uint64_t deadline_us;  /* clock_monotonic_us */
    atomic_bool abandoned; /* the client left: whoever picks it up drops it */
    bool suspended;
    struct pool_task task; /* of work_run() */
    struct loop_message message;
    void (*run)(struct work *work), (*done)(struct work *work);
    struct body body;
    struct model_version *version; /* acquired, or NULL */
    struct attempt *attempt;       /* of its subject (api/attempt.h); NULL: none is counted */
    struct faults *faults; /* behind the struct: neither zeroed nor overwritten as a whole */
};

/* http_endpoint's hooks, work_admit with the endpoint's kind. */
enum status work_admit(struct http_request *request, const struct work_kind *kind,
                       struct error *err);
void work_finish(struct http_request *request);
void work_abandon(struct http_request *request);
void work_release(struct http_request *request);

/* Acquires the version that `model` names (NULL: the default); a fault of "model" otherwise,
 * replied already: false. */
bool work_acquire(struct work *work, const char *model);
/* The version is acquired, the photographs are about to be prepared, `ahead` others before them.
 * False: the network has no room or they would be too late (api/admission.h); 503 was replied. */
bool work_take_on(struct work *work, size_t photographs, size_t ahead);
/* False: the pool's queue has no such room; 503 was replied. */
bool work_reserve(struct work *work, size_t tasks);
void work_unreserve(struct work *work, size_t tasks);
/* Before the first thing goes out. */
void work_suspend(struct work *work);
/* The body has been read to its end, photographs included: it is freed, and the memory set aside
 * for it is another request's, however long this one waits for the network. */
void work_drop_body(struct work *work);
/* `run` on a pool thread, then `done` on the loop. One place must be held; it still is in `done`.
 * Such work takes milliseconds at most and is done before the photographs that wait: who is refused
 * after his JSON was read need not wait for it. */
void work_run(struct work *work, void (*run)(struct work *work), void (*done)(struct work *work));

/* The answer 200: takes `text` (from malloc; NULL, memory that ran out, is answered 500), tells and
 * observes the timings. */
void work_answer(struct work *work, char *text, size_t size, const struct timing *timings);

/* ---- the ways out that are no answer ---- */
void work_reply_faults(struct work *work); /* work->faults, at least one */
/* One fault alone. field: NULL: none. */
void work_reply_fault(struct work *work, enum status status, const char *field,
                      const struct error *err);
void work_reply_full(struct work *work); /* 503 with the Retry-After of the version */
/* True when nobody waits for the answer, or too long: then it has been replied. */
bool work_replied_to_nobody(struct work *work);

#endif
