/* What an operator asks of the models. Each request is one task of the disk thread, which takes
 * them one after the other, so that promotions and deletions never meet:
 *
 *   admin_models_*   loop  names and body are looked at, before a file is; the task goes out
 *   work             disk  the keeper does it
 *   back             loop  the change is applied, the answer made
 *
 * A client that leaves meanwhile changes nothing: what it asked for is done.
 */
#include "api/admin_models.h"

#include "api/disk.h"
#include "api/json_body.h"
#include "api/json_scan.h"
#include "api/model_json.h"
#include "api/problem.h"
#include "api/send.h"
#include "api/swap.h"
#include "api/wish.h"
#include "model/catalog.h"
#include "server/http/reply.h"
#include "server/log.h"

#include <stdlib.h>
#include <string.h>

struct admin_task {
    struct disk_task task; /* first */
    struct http_request *request;
    char name[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1];
    struct keeper_change change;
    struct keeper_entry *entries; /* of a list; owned */
    size_t entries_count;
    bool more;
    enum status status;
    struct error err;
};

static struct admin_task *task_of(struct disk_task *task) { return (struct admin_task *)task; }

enum status admin_models_admit(struct http_request *request, struct error *err) {
    const struct service *service = http_request_application(request)->context;
    return service->draining ? error_set(err, STATUS_DRAINING, "draining") : STATUS_OK;
}

void admin_models_release(struct http_request *request) {
    struct admin_task *task = http_request_state(request);
    if (task)
        free(task->entries);
    free(task);
}

/* What is given goes into the task; a full queue is answered. */
static void send_out(struct http_request *request, const struct admin_task *given) {
    struct admin_task *task = malloc(sizeof *task);
    if (!task) {
        problem_reply(request, STATUS_INTERNAL, &(struct error){"out of memory for a disk task"});
        return;
    }
    *task = *given;
    task->request = request;
    task->task.service = http_request_application(request)->context;
    http_request_set_state(request, task);
    if (disk_submit(&task->task))
        http_request_suspend(request);
    else
        problem_reply(request, STATUS_OVERLOADED,
                      &(struct error){"the disk thread's queue is full"});
}

/* NAME or NAME@VERSION of the path, as `versioned` says. */
static bool read_path(struct http_request *request, bool versioned, struct admin_task *task) {
    static const struct error NO_NAME = {"A model's name is of a-z, 0-9, '.', '_' and '-', at most "
                                         "63 characters, without a version here."};
    static const struct error NO_VERSION = {"A version is NAME@VERSION; '@' may be written %40."};
    char reference[MODEL_REFERENCE_SIZE];
    if (model_reference_read(http_request_parameter(request), reference) &&
        catalog_parse(reference, task->name, task->version) &&
        (task->version[0] != '\0') == versioned)
        return true;
    problem_reply(request, STATUS_INVALID_NAME, versioned ? &NO_VERSION : &NO_NAME);
    return false;
}

/* ---- the list ---- */

static void work_list(struct disk_task *disk) {
    struct admin_task *task = task_of(disk);
    task->status = keeper_list(disk->service->keeper, &task->entries, &task->entries_count,
                               &task->more, &task->err);
}

static json_t *entry_json(const struct keeper_entry *entry) {
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:b}", "object", "model.version", "name",
                     entry->name, "version", entry->version, "active", entry->active, "loaded",
                     entry->loaded, "pinned", entry->pinned);
}

static void back_list(struct disk_task *disk) {
    struct admin_task *task = task_of(disk);
    if (task->status != STATUS_OK) {
        problem_reply(task->request, task->status, &task->err);
        return;
    }
    json_t *data = json_array();
    for (size_t i = 0; i < task->entries_count; i++)
        (void)json_array_append_new(data, entry_json(&task->entries[i]));
    send_json(task->request, 200,
              json_pack("{s:s, s:o, s:b}", "object", "list", "data", data, "has_more", task->more),
              NULL);
}

void admin_models_list(struct http_request *request) {
    send_out(request, &(struct admin_task){.task = {.work = work_list, .back = back_list}});
}

/* ---- promotion ---- */

static void work_promote(struct disk_task *disk) {
    struct admin_task *task = task_of(disk);
    task->status =
        keeper_promote(disk->service->keeper, task->name, task->version, &task->change, &task->err);
    if (task->status == STATUS_OK)
        wish_note_promotion(disk->service, &task->change, "");
}

static void back_promote(struct disk_task *disk) {
    struct admin_task *task = task_of(disk);
    struct model_version *version;
    if (task->status == STATUS_OK) {
        swap_apply(disk->service, &task->change, http_request_id(task->request));
        task->status = registry_acquire(disk->service->registry, task->name, &version, &task->err);
    }
    if (task->status != STATUS_OK) {
        problem_reply(task->request, task->status, &task->err);
        return;
    }
    send_json(task->request, 200, model_summary_json(disk->service, version), NULL);
    registry_release(disk->service->registry, version);
}

static void take_version(const json_t *member, struct admin_task *task, struct faults *faults) {
    const char *text = json_string_value(member);
    if (!text)
        faults_add(faults, STATUS_INVALID_FIELD, "version", "version must be a string, as \"2\".");
    else if (!card_version_valid(text))
        faults_add(faults, STATUS_INVALID_NAME, "version",
                   "A version is a decimal number without leading zeros, as \"2\".");
    else
        memcpy(task->version, text, strlen(text) + 1);
}

static void read_body(struct http_request *request, struct admin_task *task,
                      struct faults *faults) {
    size_t size;
    const uint8_t *json = http_request_body(request, &size);
    json_t *version = json_body_read_only(json, size, SCAN_MEMBERS_MAX, "version", faults);
    if (version)
        take_version(version, task, faults);
    json_decref(version);
}

void admin_models_promote(struct http_request *request) {
    struct admin_task task = {.task = {.work = work_promote, .back = back_promote}};
    struct faults faults;
    faults.count = 0;
    if (!read_path(request, false, &task))
        return;
    read_body(request, &task, &faults);
    if (faults.count > 0)
        problem_reply_faults(request, &faults);
    else
        send_out(request, &task);
}

/* ---- deletion ---- */

static void work_delete(struct disk_task *disk) {
    struct admin_task *task = task_of(disk);
    task->status = keeper_remove(disk->service->keeper, task->name, task->version, &task->err);
}

static void back_delete(struct disk_task *disk) {
    struct admin_task *task = task_of(disk);
    if (task->status != STATUS_OK) {
        problem_reply(task->request, task->status, &task->err);
        return;
    }
    log_event(LOG_INFO, "model_deleted", LOG_STR("model", task->name),
              LOG_STR("version", task->version),
              LOG_STR("request_id", http_request_id(task->request)));
    http_reply_empty(task->request, 204, NULL);
}

void admin_models_delete(struct http_request *request) {
    struct admin_task task = {.task = {.work = work_delete, .back = back_delete}};
    if (read_path(request, true, &task))
        send_out(request, &task);
}
