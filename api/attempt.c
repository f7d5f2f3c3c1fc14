#include "api/attempt.h"

#include "api/lockout.h"
#include "model/store/subjects.h"
#include "server/log.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct attempt {
    struct lockout_task task; /* first */
    struct work *work;        /* NULL: the request has ended */
    bool has_digest;
    uint8_t digest[SUBJECT_REQUEST_BYTES];
    struct subject_try made;
    bool noted; /* and not decided */
    enum subject_outcome outcome;
    unsigned refusals; /* in a row, after it was refused; 0: it was not, or had been before */
    unsigned wait_s;
    void (*tell)(struct work *work);
};

static struct attempt *of(struct lockout_task *task) { return (struct attempt *)task; }

bool attempt_wanted(const struct work *work) {
    return work->service->lockout && work->body.options.given[OPTION_SUBJECT];
}

/* ---- the digest, on the pool ---- */

/* With its size before it, so that no two requests run together to the same bytes. */
static void add(crypto_generichash_state *state, const void *bytes, size_t size) {
    uint64_t length = size;
    crypto_generichash_update(state, (const unsigned char *)&length, sizeof length);
    if (size > 0)
        crypto_generichash_update(state, bytes, size);
}

static void add_options(crypto_generichash_state *state, const struct request_options *options) {
    add(state, options->given, sizeof options->given);
    add(state, options->model, strlen(options->model));
    add(state, &options->max_fmr, sizeof options->max_fmr);
    add(state, &options->threshold, sizeof options->threshold);
    add(state, options->face, sizeof options->face);
}

static void digest(struct work *work) {
    struct attempt *attempt = work->attempt;
    const struct body *body = &work->body;
    const char *id = http_request_id(work->request);
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, sizeof attempt->digest);
    add(&state, id, strlen(id));
    add_options(&state, &body->options);
    for (unsigned i = 0; i < body->images_count; i++)
        add(&state, body->images[i].bytes, body->images[i].size);
    for (int i = 0; i < BODY_EMBEDDINGS; i++) {
        const struct body_embedding *embedding = &body->embeddings[i];
        add(&state, embedding->token, embedding->token_size);
        add(&state, embedding->values, embedding->length * sizeof(float));
    }
    crypto_generichash_final(&state, attempt->digest, sizeof attempt->digest);
    sodium_memzero(&state, sizeof state);
    attempt->has_digest = true;
}

/* ---- the beginning ---- */

static enum status note(struct lockout_task *task, struct subjects *subjects, struct error *err) {
    struct attempt *attempt = of(task);
    const struct request_options *options = &attempt->work->body.options;
    return subjects_try(subjects, options->subject, options->subject_size,
                        attempt->has_digest ? attempt->digest : NULL, &attempt->made,
                        &attempt->wait_s, err);
}

static void refuse(struct work *work, struct attempt *attempt) {
    if (attempt->task.status == STATUS_SUBJECT_LOCKED)
        http_request_set_retry_after(work->request, attempt->wait_s);
    work_reply_fault(work, attempt->task.status,
                     status_http(attempt->task.status) < 500 ? "subject" : NULL,
                     &attempt->task.err);
}

static void noted(struct lockout_task *task) {
    struct attempt *attempt = of(task);
    struct work *work = attempt->work;
    attempt->noted = task->status == STATUS_OK;
    if (work_replied_to_nobody(work))
        return;
    if (attempt->noted)
        work->kind->begin(work);
    else
        refuse(work, attempt);
}

static void submit(struct attempt *attempt, bool durable,
                   enum status (*run)(struct lockout_task *, struct subjects *, struct error *),
                   void (*back)(struct lockout_task *)) {
    attempt->task.durable = durable;
    attempt->task.work = run;
    attempt->task.back = back;
    bool queued = lockout_submit(&attempt->task);
    assert(queued && "a place was reserved");
    (void)queued;
}

static void digested(struct work *work) {
    work_unreserve(work, 1);
    if (!work_replied_to_nobody(work))
        submit(work->attempt, false, note, noted);
}

static struct attempt *create(struct work *work) {
    struct attempt *attempt = calloc(1, sizeof *attempt);
    if (!attempt) {
        work_reply_fault(work, STATUS_INTERNAL, NULL, &(struct error){"out of memory for a try"});
        return NULL;
    }
    if (!lockout_reserve(work->service)) {
        free(attempt);
        work_reply_full(work);
        return NULL;
    }
    attempt->task.service = work->service;
    attempt->work = work;
    work->attempt = attempt;
    return attempt;
}

/* An id that the client did not send comes with no retry. */
static bool has_own_id(const struct http_request *request) {
    const char *sent = http_request_header(request, "X-Request-Id");
    return sent && strcmp(sent, http_request_id(request)) == 0;
}

void attempt_begin(struct work *work) {
    struct attempt *attempt = create(work);
    if (!attempt)
        return;
    if (has_own_id(work->request)) {
        if (work_reserve(work, 1))
            work_run(work, digest, digested);
        return;
    }
    work_suspend(work);
    submit(attempt, false, note, noted);
}

/* ---- the end ---- */

static enum status decide(struct lockout_task *task, struct subjects *subjects, struct error *err) {
    struct attempt *attempt = of(task);
    return subjects_decide(subjects, &attempt->made, attempt->outcome, &attempt->refusals, err);
}

static void log_limits(const struct attempt *attempt) {
    const struct subjects_options *options = &attempt->task.service->options.lockout;
    const char *event = attempt->refusals == options->refusals_max ? "subject_disabled"
                        : attempt->refusals == options->free_max   ? "subject_locked"
                                                                   : NULL;
    if (event)
        log_event(LOG_WARN, event, LOG_STR("request_id", http_request_id(attempt->work->request)),
                  LOG_STR("subject", attempt->made.subject),
                  LOG_INT("refusals", attempt->refusals));
}

static void decided(struct lockout_task *task) {
    struct attempt *attempt = of(task);
    struct work *work = attempt->work;
    if (task->status != STATUS_OK) {
        work_reply_fault(work, task->status, NULL, &task->err);
        return;
    }
    attempt->noted = false;
    log_limits(attempt);
    attempt->tell(work);
}

void attempt_decide(struct work *work, bool verified, void (*tell)(struct work *work)) {
    struct attempt *attempt = work->attempt;
    if (!attempt) {
        tell(work);
        return;
    }
    attempt->outcome = verified ? SUBJECT_MATCHED : SUBJECT_REFUSED;
    attempt->tell = tell;
    submit(attempt, !verified, decide, decided);
}

static void destroy(struct attempt *attempt) {
    lockout_unreserve(attempt->task.service);
    sodium_memzero(attempt->digest, sizeof attempt->digest);
    free(attempt);
}

/* What could not be undone here ends by itself after SUBJECT_TRY_MS_MAX. */
static void undone(struct lockout_task *task) { destroy(of(task)); }

void attempt_release(struct work *work) {
    struct attempt *attempt = work->attempt;
    if (!attempt)
        return;
    work->attempt = NULL;
    attempt->work = NULL;
    attempt->outcome = SUBJECT_UNDECIDED;
    if (attempt->noted)
        submit(attempt, false, decide, undone);
    else
        destroy(attempt);
}
