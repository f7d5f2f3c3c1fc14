/* POST /v1/verify, from the body to the embeddings. What comes before is api/work.h's. The steps,
 * in order, with their threads:
 *
 *   begin             loop    the model; the rule; two tasks
 *   photo.c           pool    twice, side by side: decode, detect, align
 *   photo_returned    loop    when both are back: both photographs' faults, or into the batcher
 *   pair_done         worker  embedded, refused or too late
 *   pair_returned     loop    verify_answer, or the fault
 *
 * Both photographs of a request are queued or neither.
 */
#include "api/verify.h"

#include "server/clock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- the device worker ---- */

static struct verify *verify_of(struct work *work) { return (struct verify *)work; }

static size_t inputs_bytes(const struct verify *verify) {
    return VERIFY_PHOTOS * verify->input_values * sizeof(float);
}

static void pair_returned(struct loop_message *message) {
    struct work *work = (struct work *)((char *)message - offsetof(struct work, message));
    struct verify *verify = verify_of(work);
    if (atomic_load(&work->abandoned))
        (void)work_replied_to_nobody(work);
    else if (verify->pair.status == STATUS_OK)
        verify_answer(verify);
    else
        work_reply_fault(work, verify->pair.status, NULL, &verify->pair.error);
}

/* The chips are overwritten here, where they were last read, so that the loop need not. */
static void pair_done(struct batch_item *pair) {
    struct verify *verify = (struct verify *)((char *)pair - offsetof(struct verify, pair));
    explicit_bzero(verify->inputs, inputs_bytes(verify));
    verify->input_values = 0;
    verify->work.message.run = pair_returned;
    loop_post(verify->work.service->loop, &verify->work.message);
}

static void submit_pair(struct verify *verify) {
    struct work *work = &verify->work;
    struct batch_item *pair = &verify->pair;
    pair->version = work->version;
    pair->faces_count = VERIFY_PHOTOS;
    pair->faces = verify->inputs;
    pair->embeddings = verify->embeddings;
    pair->deadline_us = work->deadline_us;
    pair->abandoned = &work->abandoned;
    pair->done = pair_done;
    if (!batcher_submit(work->service->batcher, pair))
        work_reply_full(work);
}

/* ---- the preparation pool ---- */

/* A fault of the service's own goes alone: it says nothing of the photographs. */
static void collect_photo_faults(struct verify *verify) {
    struct faults *faults = verify->work.faults;
    for (int i = 0; i < VERIFY_PHOTOS; i++) {
        const struct photo *photo = &verify->photos[i];
        if (status_http(photo->status) >= 500) {
            faults_init(faults);
            faults_add_error(faults, photo->status, NULL, &photo->error);
            return;
        }
        if (photo->status != STATUS_OK)
            faults_add_error(faults, photo->status, BODY_IMAGE_FIELDS[i], &photo->error);
    }
}

static void photo_returned(struct photo *photo) {
    struct work *work = photo->work;
    struct verify *verify = verify_of(work);
    work_unreserve(work, 1);
    assert(verify->photos_waiting > 0);
    if (--verify->photos_waiting > 0)
        return;
    verify->prepared_us = clock_monotonic_us();
    work_drop_body(work);
    if (work_replied_to_nobody(work))
        return;
    collect_photo_faults(verify);
    if (work->faults->count > 0)
        work_reply_faults(work);
    else
        submit_pair(verify);
}

static bool allocate(struct verify *verify) {
    const struct card *card = &verify->work.version->card;
    verify->input_values = (size_t)3 * card->input.side * card->input.side;
    verify->inputs = spare_take(verify->work.service->spare, inputs_bytes(verify));
    verify->embeddings = calloc(VERIFY_PHOTOS * (size_t)card->embedding_length, sizeof(float));
    return verify->inputs && verify->embeddings;
}

static void submit_photos(struct verify *verify) {
    struct work *work = &verify->work;
    if (!work_reserve(work, VERIFY_PHOTOS))
        return;
    if (!allocate(verify)) {
        work_reply_fault(work, STATUS_INTERNAL, NULL,
                         &(struct error){"out of memory for two chips"});
        return;
    }
    work_suspend(work);
    verify->photos_waiting = VERIFY_PHOTOS;
    for (unsigned i = 0; i < VERIFY_PHOTOS; i++) {
        struct photo *photo = &verify->photos[i];
        photo->work = work;
        photo->index = i;
        photo->choice = work->body.options.face[i];
        photo->input = verify->inputs + i * verify->input_values;
        photo->returned = photo_returned;
        photo_submit(photo);
    }
}

/* ---- the request ---- */

static bool choose(struct work *work) {
    const struct request_options *options = &work->body.options;
    return work_acquire(work, options->given[OPTION_MODEL] ? options->model : NULL) &&
           verdict_choose_rule(work, &verify_of(work)->verdict);
}

/* It waits for the photographs that are in the pool's queue, of which a request of many has only
 * some at a time. */
static void begin(struct work *work) {
    if (work_take_on(work, VERIFY_PHOTOS, queue_length(pool_queue(work->service->pool))))
        submit_photos(verify_of(work));
}

static void release(struct work *work) {
    struct verify *verify = verify_of(work);
    spare_give(work->service->spare, verify->inputs, inputs_bytes(verify));
    if (verify->embeddings)
        explicit_bzero(verify->embeddings, VERIFY_PHOTOS *
                                               (size_t)work->version->card.embedding_length *
                                               sizeof(float));
    free(verify->embeddings);
}

static const struct body_shape SHAPE = {
    .options = OPTION_BIT(OPTION_MODEL) | OPTION_BIT(OPTION_MAX_FMR) |
               OPTION_BIT(OPTION_THRESHOLD) | OPTION_BIT(OPTION_FACE) | OPTION_BIT(OPTION_FACE1) |
               OPTION_BIT(OPTION_FACE2) | OPTION_BIT(OPTION_PRIOR) | OPTION_BIT(OPTION_SUBJECT),
    .images_min = VERIFY_PHOTOS,
    .images_max = VERIFY_PHOTOS,
};

static const struct work_kind KIND = {
    .size = sizeof(struct verify),
    .tasks = VERIFY_PHOTOS,
    .prepares = true,
    .shape = &SHAPE,
    .choose = choose,
    .begin = begin,
    .release = release,
};

enum status verify_admit(struct http_request *request, struct error *err) {
    return work_admit(request, &KIND, err);
}
