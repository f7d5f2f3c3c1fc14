#include "api/info.h"

#include "api/compare.h"
#include "api/events.h"
#include "api/jobs.h"
#include "api/send.h"
#include "api/service.h"
#include "api/upload.h"
#include "server/http/listener.h"

static json_t *work_limits(const struct service_limits *limits) {
    return json_pack(
        "{s:I, s:I, s:I, s:i, s:i, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I, "
        "s:I, s:i, s:i, s:I, s:i}",
        "image_bytes_max", (json_int_t)limits->image.bytes_max, "multipart_bytes_max",
        (json_int_t)limits->multipart_bytes_max, "json_bytes_max",
        (json_int_t)limits->json_bytes_max, "parts_max", (int)limits->parts_max, "field_bytes_max",
        (int)limits->field_bytes_max, "image_pixels_max", (json_int_t)limits->image.pixels_max,
        "image_side_max", (json_int_t)limits->image.side_max, "image_aspect_max",
        (json_int_t)limits->image.aspect_max, "prepare_queue_max", (int)limits->prepare_tasks_max,
        "embed_queue_max", (int)limits->embed_items_max, "timeout_ms_default",
        (int)limits->timeout_ms, "timeout_ms_min", TIMEOUT_MS_MIN, "timeout_ms_max", TIMEOUT_MS_MAX,
        "embeddings_images_max", BODY_IMAGES_MAX, "compare_bytes_max", COMPARE_BODY_BYTES_MAX,
        "uploads_max", UPLOADS_MAX, "dataset_bytes_max", (json_int_t)limits->archive.bytes_max,
        "dataset_members_max", (json_int_t)limits->archive.members_max, "jobs_queued_max",
        JOBS_QUEUED_MAX, "event_streams_max", EVENTS_STREAMS_MAX, "bodies_bytes_max",
        (json_int_t)limits->bodies_bytes_max, "queue_ms_max", (int)limits->queue_ms);
}

static json_t *connection_limits(const struct http_listener_options *options) {
    return json_pack("{s:i, s:i, s:i, s:i, s:i}", "header_bytes_max",
                     (int)options->header_bytes_max, "header_ms_max", (int)options->header_ms_max,
                     "body_ms_max", (int)options->body_ms_max, "answer_ms_max",
                     (int)options->answer_ms_max, "connections_max", (int)options->connections_max);
}

static json_t *limits_json(const struct http_request *request) {
    const struct service *service = http_request_application(request)->context;
    json_t *limits = work_limits(&service->options.limits);
    json_t *others = connection_limits(http_request_listener_options(request));
    if (json_object_update(limits, others) != 0) { /* out of memory */
        json_decref(limits);
        limits = NULL;
    }
    json_decref(others);
    return limits;
}

static json_t *lockout_json(const struct subjects_options *options) {
    if (!options->folder)
        return json_null();
    return json_pack("{s:i, s:i, s:i}", "refusals_free", (int)options->free_max, "wait_s",
                     (int)options->wait_s, "refusals_max", (int)options->refusals_max);
}

static json_t *default_model_json(struct service *service) {
    struct model_version *version;
    if (registry_acquire(service->registry, NULL, &version, NULL) != STATUS_OK)
        return json_null();
    json_t *model =
        json_pack("{s:s, s:s}", "name", version->card.name, "version", version->card.version);
    registry_release(service->registry, version);
    return model;
}

void info_show(struct http_request *request) {
    struct service *service = http_request_application(request)->context;
    const struct service_options *options = &service->options;
    send_json(request, 200,
              json_pack("{s:s, s:s, s:s, s:o, s:f, s:i, s:b, s:[s, s, s], s:o, s:o}", "name",
                        "facepair", "version", FACEPAIR_VERSION, "device", options->device,
                        "default_model", default_model_json(service), "default_max_fmr",
                        options->default_max_fmr, "token_lifetime_s",
                        (int)options->token_lifetime_s, "raw_embeddings",
                        options->allow_raw_embeddings, "image_formats", "jpeg", "png", "webp",
                        "lockout", lockout_json(&options->lockout), "limits", limits_json(request)),
              NULL);
}
