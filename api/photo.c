#include "api/photo.h"

#include "server/clock.h"

#include <assert.h>

/* service->prepare_us follows the last measurements with this weight. */
#define PREPARE_MEAN_WEIGHT 0.05

static void observe(struct service *service, const struct photo *photo) {
    const struct prepared *prepared = &photo->prepared;
    if (photo->status == STATUS_DEADLINE_EXCEEDED)
        return;
    metrics_add(service->metrics, METRIC_IMAGES, 1, status_code(photo->status));
    double took_us = (double)(photo->done_us - photo->taken_us);
    double weight = service->prepare_us > 0 ? PREPARE_MEAN_WEIGHT : 1;
    service->prepare_us += (took_us - service->prepare_us) * weight;
    if (photo->status != STATUS_OK)
        return;
    metrics_observe(service->metrics, METRIC_STAGE_DURATION, (double)prepared->decode_us / 1e6,
                    "decode");
    metrics_observe(service->metrics, METRIC_STAGE_DURATION, (double)prepared->detect_us / 1e6,
                    "detect");
    metrics_observe(service->metrics, METRIC_STAGE_DURATION, (double)prepared->align_us / 1e6,
                    "align");
}

static void returned(struct loop_message *message) {
    struct photo *photo = (struct photo *)((char *)message - offsetof(struct photo, message));
    struct work *work = photo->work;
    work->photographs--;
    work->service->photographs--;
    work->version->coming--;
    observe(work->service, photo);
    photo->returned(photo);
}

static void prepare(struct pool_task *task, void *context) {
    struct photo *photo = (struct photo *)task;
    struct work *work = photo->work;
    struct body_image *image = &work->body.images[photo->index];
    photo->taken_us = clock_monotonic_us();
    if (atomic_load(&work->abandoned) || photo->taken_us > work->deadline_us)
        photo->status = STATUS_DEADLINE_EXCEEDED;
    else
        photo->status =
            prepare_face(context, &work->version->card.input, &work->service->options.limits.image,
                         image->bytes, image->size, photo->choice, PREPARE_REJECT, photo->input,
                         &photo->prepared, &photo->error);
    body_image_release(image);
    photo->done_us = clock_monotonic_us();
    loop_post(work->service->loop, &photo->message);
}

void photo_submit(struct photo *photo) {
    photo->task.run = prepare;
    photo->message.run = returned;
    bool queued = pool_submit(photo->work->service->pool, &photo->task);
    assert(queued);
    (void)queued;
}

/* ---- telling ---- */

static void write_landmarks(struct json_writer *json, const struct face *face) {
    static const struct {
        const char *name;
        int index;
    } points[] = {
        {"left_eye_outer", FACE_LEFT_EYE_OUTER},
        {"left_eye_inner", FACE_LEFT_EYE_INNER},
        {"right_eye_outer", FACE_RIGHT_EYE_OUTER},
        {"right_eye_inner", FACE_RIGHT_EYE_INNER},
        {"nose_base", FACE_NOSE_BASE},
    };
    json_write_object(json, "landmarks");
    json_write_text(json, "scheme", "dlib5");
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        json_write_array(json, points[i].name);
        json_write_short(json, NULL, face->landmarks[points[i].index][0]);
        json_write_short(json, NULL, face->landmarks[points[i].index][1]);
        json_write_end(json);
    }
    json_write_end(json);
}

static void write_face(struct json_writer *json, const struct face *face) {
    json_write_object(json, "face");
    json_write_object(json, "box");
    json_write_short(json, "x", face->x);
    json_write_short(json, "y", face->y);
    json_write_short(json, "width", face->width);
    json_write_short(json, "height", face->height);
    json_write_end(json);
    json_write_text(json, "detector", "hog");
    json_write_short(json, "score", face->score);
    write_landmarks(json, face);
    json_write_end(json);
}

void photo_write(struct json_writer *json, const char *name, const struct photo *photo) {
    const struct prepared *prepared = &photo->prepared;
    json_write_object(json, name);
    json_write_text(json, "field", BODY_IMAGE_FIELDS[photo->index]);
    json_write_text(json, "format", image_format_name(prepared->info.format));
    json_write_integer(json, "width", prepared->info.width);
    json_write_integer(json, "height", prepared->info.height);
    if (prepared->face.count)
        json_write_integer(json, "face_count", prepared->face.count);
    else
        json_write_null(json, "face_count");
    write_face(json, &prepared->face);
    json_write_end(json);
}
