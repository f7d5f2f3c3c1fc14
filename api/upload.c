/* The loop writes into a ring and never waits; the thread reads from it and does. The lock is held
 * for a copy of at most a piece of a body, never while a disk is waited for.
 *
 * Who frees it: the last of the owner (upload_close) and the thread's message done(). Both are on
 * the loop. A message that tells of room is posted before done() and so runs before it. */
#include "api/upload.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct upload {
    struct pool_task task; /* first */
    struct loop_message room_message, done_message;
    struct service *service;
    struct upload_owner owner;
    struct upload_outcome outcome;
    struct archive_limits limits;
    bool closed, done; /* the loop's */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint8_t *ring; /* UPLOAD_BUFFER_BYTES */
    size_t head, size;
    size_t lent; /* bytes at the head that the reader looks at */
    bool ended, broken_off;
    bool room_wanted; /* the loop waits for some */
};

/* ---- the thread's side ---- */

/* Gives back what was lent. True: the loop is to be told. */
static bool give_back(struct upload *upload) {
    upload->head = (upload->head + upload->lent) % UPLOAD_BUFFER_BYTES;
    upload->size -= upload->lent;
    upload->lent = 0;
    bool tell = upload->room_wanted && upload->size <= UPLOAD_BUFFER_BYTES / 2;
    if (tell)
        upload->room_wanted = false;
    return tell;
}

static ssize_t lend(struct upload *upload, const void **bytes) {
    while (upload->size == 0 && !upload->ended && !upload->broken_off)
        pthread_cond_wait(&upload->changed, &upload->lock);
    if (upload->broken_off)
        return -1;
    size_t straight = UPLOAD_BUFFER_BYTES - upload->head;
    upload->lent = upload->size < straight ? upload->size : straight;
    *bytes = upload->ring + upload->head;
    return (ssize_t)upload->lent;
}

static ssize_t read_ring(void *context, const void **bytes) {
    struct upload *upload = context;
    pthread_mutex_lock(&upload->lock);
    bool tell = give_back(upload);
    pthread_mutex_unlock(&upload->lock);
    if (tell)
        loop_post(upload->service->loop, &upload->room_message);
    pthread_mutex_lock(&upload->lock);
    ssize_t size = lend(upload, bytes);
    pthread_mutex_unlock(&upload->lock);
    return size;
}

static void run(struct pool_task *task, void *context) {
    (void)context;
    struct upload *upload = (struct upload *)task;
    struct upload_outcome *outcome = &upload->outcome;
    const struct archive_source source = {.read = read_ring, .context = upload};
    outcome->status = dataset_folder_begin(upload->service->options.data_directory,
                                           &outcome->folder, &outcome->err);
    if (outcome->status == STATUS_OK) {
        outcome->status = dataset_archive_extract(&source, outcome->folder.path, &upload->limits,
                                                  &outcome->content, &outcome->err);
        if (outcome->status != STATUS_OK)
            dataset_folder_abandon(&outcome->folder);
    }
    loop_post(upload->service->loop, &upload->done_message);
}

/* ---- the loop's side ---- */

static void release(struct upload *upload) {
    pthread_cond_destroy(&upload->changed);
    pthread_mutex_destroy(&upload->lock);
    free(upload->ring);
    free(upload);
}

static void on_room(struct loop_message *message) {
    struct upload *upload =
        (struct upload *)((char *)message - offsetof(struct upload, room_message));
    if (!upload->closed)
        upload->owner.room(upload->owner.context);
}

static void on_done(struct loop_message *message) {
    struct upload *upload =
        (struct upload *)((char *)message - offsetof(struct upload, done_message));
    upload->done = true;
    upload->service->uploads--;
    if (!upload->closed) {
        upload->owner.done(upload->owner.context);
        return;
    }
    if (upload->outcome.status == STATUS_OK)
        dataset_folder_leave(&upload->outcome.folder);
    release(upload);
}

enum status upload_start(struct service *service, struct error *err) {
    enum { NICE = 5 };
    const struct pool_options options = {
        .name = "upload", .threads = UPLOADS_MAX, .tasks_max = UPLOADS_MAX, .nice = NICE};
    return pool_create(&options, &service->upload_threads, err);
}

enum status upload_begin(struct service *service, const struct upload_owner *owner,
                         struct upload **begun, struct error *err) {
    if (service->uploads == UPLOADS_MAX)
        return error_set(err, STATUS_OVERLOADED, "%d uploads are under way", UPLOADS_MAX);
    struct upload *upload = calloc(1, sizeof *upload);
    uint8_t *ring = malloc(UPLOAD_BUFFER_BYTES);
    if (!upload || !ring) {
        free(upload);
        free(ring);
        return error_set(err, STATUS_INTERNAL, "out of memory for an upload");
    }
    upload->service = service;
    upload->owner = *owner;
    upload->ring = ring;
    upload->limits = service->options.limits.archive;
    upload->room_message.run = on_room;
    upload->done_message.run = on_done;
    upload->task.run = run;
    pthread_mutex_init(&upload->lock, NULL);
    pthread_cond_init(&upload->changed, NULL);
    service->uploads++;
    bool submitted = pool_submit(service->upload_threads, &upload->task);
    assert(submitted && "there are as many places as uploads");
    *begun = upload;
    return STATUS_OK;
}

size_t upload_write(struct upload *upload, const uint8_t *bytes, size_t size) {
    if (upload->done)
        return size; /* behind the end of the archive */
    pthread_mutex_lock(&upload->lock);
    size_t room = UPLOAD_BUFFER_BYTES - upload->size, taken = size < room ? size : room;
    size_t tail = (upload->head + upload->size) % UPLOAD_BUFFER_BYTES;
    size_t straight = UPLOAD_BUFFER_BYTES - tail, first = taken < straight ? taken : straight;
    memcpy(upload->ring + tail, bytes, first);
    memcpy(upload->ring, bytes + first, taken - first);
    upload->size += taken;
    upload->room_wanted = taken < size;
    pthread_mutex_unlock(&upload->lock);
    pthread_cond_signal(&upload->changed);
    return taken;
}

void upload_end(struct upload *upload) {
    pthread_mutex_lock(&upload->lock);
    upload->ended = true;
    pthread_mutex_unlock(&upload->lock);
    pthread_cond_signal(&upload->changed);
}

struct upload_outcome *upload_outcome(struct upload *upload) {
    return &upload->outcome;
}

void upload_close(struct upload *upload) {
    upload->closed = true;
    if (upload->done) {
        release(upload);
        return;
    }
    pthread_mutex_lock(&upload->lock);
    upload->broken_off = true;
    pthread_mutex_unlock(&upload->lock);
    pthread_cond_signal(&upload->changed);
}
