#include "api/subjects.h"

#include "api/audit.h"
#include "api/json_body.h"
#include "api/json_scan.h"
#include "api/lockout.h"
#include "api/problem.h"
#include "api/send.h"
#include "model/store/subjects.h"
#include "server/clock.h"
#include "server/log.h"

#include <stdlib.h>
#include <string.h>

struct subject_task {
    struct lockout_task task; /* first */
    struct http_request *request;
    char subject[SUBJECT_BYTES_MAX];
    size_t size;
    struct subject_state state;
};

static struct subject_task *of(struct lockout_task *task) { return (struct subject_task *)task; }

enum status subjects_admit(struct http_request *request, struct error *err) {
    const struct service *service = http_request_application(request)->context;
    if (service->draining)
        return error_set(err, STATUS_DRAINING, "draining");
    if (!service->lockout)
        return error_set(err, STATUS_NOT_FOUND, "This instance counts no refusals of subjects.");
    return STATUS_OK;
}

void subjects_release(struct http_request *request) {
    struct subject_task *task = http_request_state(request);
    if (task)
        explicit_bzero(task->subject, sizeof task->subject);
    free(task);
}

/* ---- the body ---- */

static void take_subject(const json_t *member, struct subject_task *task, struct faults *faults) {
    const char *text = json_string_value(member);
    task->size = json_string_length(member);
    if (text && task->size >= 1 && task->size <= sizeof task->subject)
        memcpy(task->subject, text, task->size);
    else
        faults_add(faults, STATUS_INVALID_FIELD, "subject",
                   "subject must be text of 1 to %d bytes.", SUBJECT_BYTES_MAX);
}

static void read_body(struct http_request *request, struct subject_task *task,
                      struct faults *faults) {
    size_t size;
    const uint8_t *json = http_request_body(request, &size);
    json_t *subject = json_body_read_only(json, size, SCAN_MEMBERS_MAX, "subject", faults);
    if (subject)
        take_subject(subject, task, faults);
    json_decref(subject);
}

static void send_out(struct http_request *request, bool durable,
                     enum status (*work)(struct lockout_task *, struct subjects *, struct error *),
                     void (*back)(struct lockout_task *)) {
    struct faults faults;
    struct subject_task *task = calloc(1, sizeof *task);
    if (!task) {
        problem_reply(request, STATUS_INTERNAL, &(struct error){"out of memory for a subject"});
        return;
    }
    http_request_set_state(request, task);
    task->task.service = http_request_application(request)->context;
    task->task.durable = durable;
    task->task.work = work;
    task->task.back = back;
    task->request = request;
    faults_init(&faults);
    read_body(request, task, &faults);
    if (faults.count > 0)
        problem_reply_faults(request, &faults);
    else if (lockout_submit(&task->task))
        http_request_suspend(request);
    else
        problem_reply(request, STATUS_OVERLOADED,
                      &(struct error){"the queue of the lock-out is full"});
}

/* ---- the answers ---- */

static json_t *subject_json(const struct subject_state *state) {
    char refused_at[CLOCK_TEXT_SIZE];
    clock_text(state->refused_ms, refused_at);
    const char *word = state->disabled ? "disabled" : state->wait_s > 0 ? "locked" : "open";
    return json_pack("{s:s, s:s, s:i, s:i, s:o}", "object", "subject", "state", word, "refusals",
                     (int)state->refusals, "retry_after_s", (int)state->wait_s, "refused_at",
                     state->refused_ms ? json_string(refused_at) : json_null());
}

static enum status look(struct lockout_task *task, struct subjects *subjects, struct error *err) {
    struct subject_task *asked = of(task);
    return subjects_look(subjects, asked->subject, asked->size, &asked->state, err);
}

static void show(struct lockout_task *task) {
    if (task->status == STATUS_OK)
        send_json(of(task)->request, 200, subject_json(&of(task)->state), NULL);
    else
        problem_reply(of(task)->request, task->status, &task->err);
}

void subjects_show(struct http_request *request) { send_out(request, false, look, show); }

static enum status lift(struct lockout_task *task, struct subjects *subjects, struct error *err) {
    struct subject_task *asked = of(task);
    return subjects_lift(subjects, asked->subject, asked->size, &asked->state, err);
}

static void lifted(struct lockout_task *task) {
    struct subject_task *asked = of(task);
    if (task->status == STATUS_OK) {
        audit_lifted(asked->request, asked->subject, asked->size, asked->state.refusals);
        log_event(LOG_INFO, "subject_lifted",
                  LOG_STR("request_id", http_request_id(asked->request)),
                  LOG_INT("refusals", asked->state.refusals));
        asked->state = (struct subject_state){0};
    }
    show(task);
}

void subjects_lift_lock(struct http_request *request) { send_out(request, true, lift, lifted); }
