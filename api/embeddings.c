/* POST /v1/embeddings, from the body to the answer. What comes before is api/work.h's.
 *
 *   begin            loop    the model; some of the photographs to the pool
 *   photo.c          pool    decode, detect, align
 *   photo_returned   loop    the face into the batcher, the next photograph to the pool
 *   face_done        worker  embedded, refused or too late
 *   face_returned    loop
 *   settle           loop    nothing is out any more: the answer, or what failed
 *   embeddings_write pool    thousands of components take milliseconds to seal and to print
 *
 * A request has only so many photographs in the pool at a time as keep its threads busy: others are
 * served between them, and a face is embedded while the next photograph is decoded.
 */
#include "api/embeddings.h"

#include "api/authorize.h"
#include "server/clock.h"
#include "server/wipe.h"

#include <stdlib.h>
#include <string.h>

static struct embeddings *embeddings_of(struct work *work) { return (struct embeddings *)work; }

static void fail(struct embeddings *embeddings, enum status status, const struct error *err) {
    if (embeddings->failure != STATUS_OK)
        return;
    embeddings->failure = status;
    embeddings->error = *err;
}

/* ---- the answer ---- */

static void write_answer(struct work *work) { embeddings_write(embeddings_of(work)); }

static void answer(struct work *work) {
    struct embeddings *embeddings = embeddings_of(work);
    const struct http_request *request = work->request;
    uint64_t started_us = http_request_started_us(request);
    const struct timing timings[] = {
        {"receive", timing_between_ms(started_us, http_request_received_us(request))},
        {"total", timing_between_ms(started_us, clock_monotonic_us())},
        {NULL, 0},
    };
    char *text = embeddings->text;
    embeddings->text = NULL;
    work_answer(work, text, embeddings->text_size, timings);
}

/* The last place in the pool's queue is kept for the answer's writing. */
static void settle(struct embeddings *embeddings) {
    struct work *work = &embeddings->work;
    if (embeddings->photos_out > 0 || embeddings->items_out > 0 || work_replied_to_nobody(work))
        return;
    if (embeddings->failure == STATUS_OVERLOADED)
        work_reply_full(work);
    else if (embeddings->failure != STATUS_OK)
        work_reply_fault(work, embeddings->failure, NULL, &embeddings->error);
    else
        work_run(work, write_answer, answer);
}

/* ---- the device worker ---- */

static void release_input(struct embeddings *embeddings, struct embeddings_face *face) {
    spare_give(embeddings->work.service->spare, face->photo.input, face->input_bytes);
    face->photo.input = NULL;
}

static void face_returned(struct loop_message *message) {
    struct embeddings_face *face =
        (struct embeddings_face *)((char *)message - offsetof(struct embeddings_face, message));
    if (face->item.status != STATUS_OK)
        fail(face->embeddings, face->item.status, &face->item.error);
    release_input(face->embeddings, face);
    face->embeddings->items_out--;
    settle(face->embeddings);
}

/* The chip is overwritten here, where it was last read, so that the loop need not. */
static void face_done(struct batch_item *item) {
    struct embeddings_face *face =
        (struct embeddings_face *)((char *)item - offsetof(struct embeddings_face, item));
    explicit_bzero(face->photo.input, face->input_bytes);
    face->input_bytes = 0;
    face->message.run = face_returned;
    loop_post(face->embeddings->work.service->loop, &face->message);
}

static void submit_face(struct embeddings_face *face) {
    struct work *work = &face->embeddings->work;
    face->item = (struct batch_item){
        .version = work->version,
        .faces_count = 1,
        .faces = face->photo.input,
        .embeddings = face->values,
        .deadline_us = work->deadline_us,
        .abandoned = &work->abandoned,
        .done = face_done,
    };
    if (batcher_submit(work->service->batcher, &face->item))
        face->embeddings->items_out++;
    else
        fail(face->embeddings, STATUS_OVERLOADED, &(struct error){""});
}

/* ---- the preparation pool ---- */

static void photo_returned(struct photo *photo);

/* False: there is none left that should be begun. */
static bool submit_next_photo(struct embeddings *embeddings) {
    struct work *work = &embeddings->work;
    if (embeddings->next == embeddings->count || embeddings->failure != STATUS_OK)
        return false;
    const struct card_input *input = &work->version->card.input;
    struct embeddings_face *face = &embeddings->faces[embeddings->next];
    struct photo *photo = &face->photo;
    face->input_bytes = (size_t)3 * input->side * input->side * sizeof(float);
    photo->input = spare_take(work->service->spare, face->input_bytes);
    if (!photo->input) {
        fail(embeddings, STATUS_INTERNAL, &(struct error){"out of memory for a chip"});
        return false;
    }
    photo->work = work;
    photo->index = embeddings->next++;
    photo->choice = work->body.options.face[0];
    photo->returned = photo_returned;
    embeddings->photos_out++;
    photo_submit(photo);
    return true;
}

static void photo_returned(struct photo *photo) {
    struct embeddings_face *face = (struct embeddings_face *)photo;
    struct embeddings *embeddings = face->embeddings;
    if (photo->status == STATUS_OK && embeddings->failure == STATUS_OK)
        submit_face(face);
    else
        release_input(embeddings, face);
    if (status_http(photo->status) >= 500)
        fail(embeddings, photo->status, &photo->error);
    embeddings->photos_out--;
    if (!submit_next_photo(embeddings) && embeddings->work.tasks > 1)
        work_unreserve(&embeddings->work, 1);
    if (embeddings->photos_out == 0)
        work_drop_body(&embeddings->work);
    settle(embeddings);
}

/* One more than there are threads, so that none waits for the loop; at most what the queue holds.
 */
static size_t photos_at_a_time(const struct embeddings *embeddings) {
    const struct service *service = embeddings->work.service;
    size_t most = (size_t)service->prepare_threads + 1;
    size_t capacity = queue_capacity(pool_queue(service->pool));
    if (most > capacity)
        most = capacity;
    return most < embeddings->count ? most : embeddings->count;
}

static bool allocate(struct embeddings *embeddings) {
    size_t length = embeddings->work.version->card.embedding_length;
    embeddings->faces = calloc(embeddings->count, sizeof *embeddings->faces);
    embeddings->values = calloc(embeddings->count * length, sizeof(float));
    if (!embeddings->faces || !embeddings->values)
        return false;
    for (unsigned i = 0; i < embeddings->count; i++) {
        embeddings->faces[i].embeddings = embeddings;
        embeddings->faces[i].values = embeddings->values + i * length;
    }
    return true;
}

/* ---- the request ---- */

static bool may_have_raw(struct work *work) {
    if (!work->body.options.raw || authorize_raw_embeddings(work->request))
        return true;
    work_reply_fault(work, STATUS_INSUFFICIENT_SCOPE, "raw",
                     &(struct error){"The components of an embedding are told to keys with the "
                                     "scope embed:raw or, where no keys are asked for, with "
                                     "--allow-raw-embeddings; use the token."});
    return false;
}

static bool choose(struct work *work) {
    const struct request_options *options = &work->body.options;
    return may_have_raw(work) &&
           work_acquire(work, options->given[OPTION_MODEL] ? options->model : NULL);
}

static void begin(struct work *work) {
    struct embeddings *embeddings = embeddings_of(work);
    embeddings->count = work->body.images_count;
    /* Requests of many photographs take turns, so all that are still to be prepared come before the
     * last of this one. */
    size_t photos = photos_at_a_time(embeddings);
    if (!work_take_on(work, embeddings->count, work->service->photographs) ||
        !work_reserve(work, photos))
        return;
    if (!allocate(embeddings)) {
        work_reply_fault(work, STATUS_INTERNAL, NULL,
                         &(struct error){"out of memory for embeddings"});
        return;
    }
    work_suspend(work);
    while (photos-- > 0 && submit_next_photo(embeddings))
        ;
    settle(embeddings); /* when not even one went out */
}

static void release(struct work *work) {
    struct embeddings *embeddings = embeddings_of(work);
    for (unsigned i = 0; embeddings->faces && i < embeddings->count; i++)
        release_input(embeddings, &embeddings->faces[i]);
    wipe_and_free(embeddings->faces);
    wipe_and_free(embeddings->values);
    wipe_and_free(embeddings->text);
}

static const struct body_shape SHAPE = {
    .options = OPTION_BIT(OPTION_MODEL) | OPTION_BIT(OPTION_FACE) | OPTION_BIT(OPTION_RAW),
    .images_min = 1,
    .images_max = BODY_IMAGES_MAX,
};

static const struct work_kind KIND = {
    .size = sizeof(struct embeddings),
    .tasks = 1,
    .prepares = true,
    .shape = &SHAPE,
    .choose = choose,
    .begin = begin,
    .release = release,
};

enum status embeddings_admit(struct http_request *request, struct error *err) {
    return work_admit(request, &KIND, err);
}
