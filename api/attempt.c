#include "api/attempt.h"

#include "api/lockout.h"
#include "model/store/subjects.h"
#include "server/clock.h"
#include "server/log.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of work that was begun in time the answer may be late (api/work.h); the disk makes it no later
 * than this. */
enum { DECIDE_MS = 1000 };

struct attempt {
    struct lockout_task task; /* first */
    struct work *work;        /* NULL: the request has ended, or been answered */
    uv_timer_t late;          /* runs while the task is out and somebody waits for it */
    uint64_t due_us;
    char id[HTTP_ID_SIZE];
    char subject[SUBJECT_BYTES_MAX];
    size_t subject_size;
    bool has_digest;
    uint8_t digest[SUBJECT_REQUEST_BYTES];
    struct subject_try made;
    bool noted; /* and there is nothing that decided it, or tried to */
    enum subject_outcome outcome;
    unsigned refusals; /* in a row, after it was refused; 0: it was not, or had been before */
    unsigned wait_s;
    void (*tell)(struct work *work);
};

static struct attempt *of(struct lockout_task *task) { return (struct attempt *)task; }

bool attempt_wanted(const struct work *work) {
    return work->service->lockout && work->body.options.given[OPTION_SUBJECT];
}

/* ---- the task, and what becomes of the try ---- */

static void freed(uv_handle_t *late) {
    struct attempt *attempt = late->data;
    sodium_memzero(attempt, sizeof *attempt);
    free(attempt);
}

static void destroy(struct attempt *attempt) {
    lockout_unreserve(attempt->task.service);
    uv_close((uv_handle_t *)&attempt->late, freed);
}

static void detach(struct attempt *attempt) {
    attempt->work->attempt = NULL;
    attempt->work = NULL;
}

static void on_late(uv_timer_t *late);

static void watch(struct attempt *attempt) {
    uint64_t now_us = clock_monotonic_us();
    uint64_t ms = attempt->due_us > now_us ? (attempt->due_us - now_us) / 1000 + 1 : 0;
    uv_timer_start(&attempt->late, on_late, ms, 0);
}

/* The request need not wait for the disk: it ends, and its try goes on by itself. */
static void on_late(uv_timer_t *late) {
    struct attempt *attempt = late->data;
    struct work *work = attempt->work;
    if (clock_monotonic_us() <= attempt->due_us) { /* the loop's clock stood when it was set */
        watch(attempt);
        return;
    }
    detach(attempt);
    bool replied = work_replied_to_nobody(work);
    assert(replied && "past its deadline");
    (void)replied;
}

static void submit(struct attempt *attempt, bool durable,
                   enum status (*run)(struct lockout_task *, struct subjects *, struct error *),
                   void (*back)(struct lockout_task *)) {
    attempt->task.durable = durable;
    attempt->task.work = run;
    attempt->task.back = back;
    if (lockout_submit(&attempt->task)) {
        if (attempt->work)
            watch(attempt);
        return;
    }
    assert(!attempt->work && "a place was reserved, and the thread ends after the last request");
    destroy(attempt);
}

static enum status decide(struct lockout_task *task, struct subjects *subjects, struct error *err) {
    struct attempt *attempt = of(task);
    return subjects_decide(subjects, &attempt->made, attempt->outcome, &attempt->refusals, err);
}

/* What could not be undone here ends by itself after SUBJECT_TRY_MS_MAX. */
static void undone(struct lockout_task *task) { destroy(of(task)); }

/* Nothing is decided, or nothing more. */
static void give_up(struct attempt *attempt) {
    attempt->outcome = SUBJECT_UNDECIDED;
    if (attempt->noted)
        submit(attempt, false, decide, undone);
    else
        destroy(attempt);
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

/* What answers where nothing was asked for may change from one request to the next. */
static void add_defaults(crypto_generichash_state *state, const struct work *work) {
    const struct card *card = &work->version->card;
    add(state, card->name, strlen(card->name));
    add(state, card->version, strlen(card->version));
    add(state, &work->service->options.default_max_fmr, sizeof(double));
}

static void digest(struct work *work) {
    struct attempt *attempt = work->attempt;
    const struct body *body = &work->body;
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, sizeof attempt->digest);
    add(&state, attempt->id, strlen(attempt->id));
    add_options(&state, &body->options);
    add_defaults(&state, work);
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
    return subjects_try(subjects, attempt->subject, attempt->subject_size,
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
    uv_timer_stop(&attempt->late);
    attempt->noted = task->status == STATUS_OK;
    if (!work)
        give_up(attempt);
    else if (work_replied_to_nobody(work))
        return;
    else if (attempt->noted)
        work->kind->begin(work);
    else
        refuse(work, attempt);
}

static void digested(struct work *work) {
    work_unreserve(work, 1);
    if (!work_replied_to_nobody(work))
        submit(work->attempt, false, note, noted);
}

static struct attempt *create(struct work *work) {
    const struct request_options *options = &work->body.options;
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
    attempt->due_us = work->deadline_us;
    attempt->late.data = attempt;
    uv_timer_init(loop_uv(work->service->loop), &attempt->late);
    snprintf(attempt->id, sizeof attempt->id, "%s", http_request_id(work->request));
    memcpy(attempt->subject, options->subject, options->subject_size);
    attempt->subject_size = options->subject_size;
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

static void log_limits(const struct attempt *attempt) {
    const struct subjects_options *options = &attempt->task.service->options.lockout;
    const char *event = attempt->refusals == options->refusals_max ? "subject_disabled"
                        : attempt->refusals == options->free_max   ? "subject_locked"
                                                                   : NULL;
    if (event)
        log_event(LOG_WARN, event, LOG_STR("request_id", attempt->id),
                  LOG_STR("subject", attempt->made.subject),
                  LOG_INT("refusals", attempt->refusals));
}

/* Where that could not be written the try stays noted, as that of a process that was killed: gone,
 * it would have told what it was and cost nothing. */
static void decided(struct lockout_task *task) {
    struct attempt *attempt = of(task);
    uv_timer_stop(&attempt->late);
    attempt->noted = false;
    if (task->status == STATUS_OK)
        log_limits(attempt);
    if (!attempt->work)
        give_up(attempt);
    else if (task->status == STATUS_OK)
        attempt->tell(attempt->work);
    else
        work_reply_fault(attempt->work, task->status, NULL, &task->err);
}

void attempt_decide(struct work *work, bool verified, void (*tell)(struct work *work)) {
    struct attempt *attempt = work->attempt;
    if (!attempt) {
        tell(work);
        return;
    }
    attempt->outcome = verified ? SUBJECT_MATCHED : SUBJECT_REFUSED;
    attempt->tell = tell;
    uint64_t told_us = clock_monotonic_us() + DECIDE_MS * 1000;
    attempt->due_us = told_us > work->deadline_us ? told_us : work->deadline_us;
    submit(attempt, !verified, decide, decided);
}

void attempt_release(struct work *work) {
    struct attempt *attempt = work->attempt;
    if (!attempt)
        return;
    detach(attempt);
    give_up(attempt);
}
