/* The table of contents: every endpoint of the service, one a line. openapi.yaml describes the same
 * ones; tests hold the two against each other. */
#include "api/routes.h"

#include "api/admin_models.h"
#include "api/compare.h"
#include "api/datasets.h"
#include "api/embeddings.h"
#include "api/errand.h"
#include "api/events.h"
#include "api/health.h"
#include "api/info.h"
#include "api/jobs.h"
#include "api/models.h"
#include "api/openapi.h"
#include "api/scopes.h"
#include "api/subjects.h"
#include "api/verify.h"

#include "model/spec.h"

#include <assert.h>

enum { PUBLIC = HTTP_PUBLIC, SCRAPE = HTTP_ADMIN | HTTP_METRICS };
enum { EVERYWHERE = HTTP_PUBLIC | HTTP_ADMIN | HTTP_METRICS };

enum { PROMOTION_BYTES_MAX = 1024, SUBJECT_BODY_BYTES_MAX = 1024 };

static const char *const LIST_QUERY[] = {"limit", "after", NULL};

#define GET(path_, listeners_, scope_, finish_)                                                    \
    {                                                                                              \
        .method = "GET", .path = (path_), .route = (path_), .listeners = (listeners_),             \
        .rights = (scope_), .finish = (finish_)                                                    \
    }
#define PROBE(path_, route_, finish_)                                                              \
    {                                                                                              \
        .method = "GET", .path = (path_), .route = (route_), .listeners = EVERYWHERE,              \
        .probe = true, .finish = (finish_)                                                         \
    }
#define WORK(path_, route_, scope_, admit_)                                                        \
    {                                                                                              \
        .method = "POST", .path = (path_), .route = (route_), .listeners = PUBLIC,                 \
        .rights = (scope_), .admit = (admit_), .finish = work_finish, .abandon = work_abandon,     \
        .release = work_release                                                                    \
    }

#define OF_MODELS(method_, path_, scope_, finish_)                                                 \
    {                                                                                              \
        .method = (method_), .path = (path_), .route = (path_), .listeners = HTTP_ADMIN,           \
        .rights = (scope_), .admit = admin_models_admit, .finish = (finish_),                      \
        .release = admin_models_release                                                            \
    }
#define LIST(path_) OF_MODELS("GET", path_, SCOPE_MODELS_READ, admin_models_list)
#define DELETE(path_) OF_MODELS("DELETE", path_, SCOPE_MODELS_PROMOTE, admin_models_delete)
#define PROMOTE(path_) OF_MODELS("PUT", path_, SCOPE_MODELS_PROMOTE, admin_models_promote)

#define UPLOAD(path_)                                                                              \
    {                                                                                              \
        .method = "PUT", .path = (path_), .route = (path_), .listeners = HTTP_ADMIN,               \
        .rights = SCOPE_DATASETS_WRITE, .query = DATASETS_QUERY_UPLOAD,                            \
        .admit = datasets_admit_upload, .take = datasets_take_upload,                              \
        .finish = datasets_finish_upload, .release = errand_release                                \
    }
/* One errand to the disk thread. */
#define ERRAND(method_, path_, query_, scope_, finish_)                                            \
    {                                                                                              \
        .method = (method_), .path = (path_), .route = (path_), .listeners = HTTP_ADMIN,           \
        .rights = (scope_), .query = (query_), .admit = errand_admit, .finish = (finish_),         \
        .release = errand_release                                                                  \
    }
#define ASK(path_, query_, scope_, finish_) ERRAND("GET", path_, query_, scope_, finish_)
#define REMOVE(path_, scope_, finish_) ERRAND("DELETE", path_, NULL, scope_, finish_)
#define TELL(path_, finish_) ERRAND("POST", path_, NULL, SCOPE_JOBS_WRITE, finish_)
#define FOLLOW(path_)                                                                              \
    {                                                                                              \
        .method = "GET", .path = (path_), .route = (path_), .listeners = HTTP_ADMIN,               \
        .rights = SCOPE_JOBS_WRITE, .query = LIST_QUERY, .admit = errand_admit,                    \
        .finish = events_show, .abandon = events_abandon, .release = events_release                \
    }
#define SUBJECT(path_, finish_)                                                                    \
    {                                                                                              \
        .method = "POST", .path = (path_), .route = (path_), .listeners = HTTP_ADMIN,              \
        .rights = SCOPE_SUBJECTS_WRITE, .admit = subjects_admit, .finish = (finish_),              \
        .release = subjects_release                                                                \
    }

/* clang-format off */
static const struct http_endpoint ENDPOINTS[] = {
    WORK("/v1/verify", "/v1/verify", SCOPE_VERIFY, verify_admit),
    WORK("/verify", "/v1/verify", SCOPE_VERIFY, verify_admit),
    WORK("/v1/embeddings", "/v1/embeddings", SCOPE_EMBED, embeddings_admit),
    WORK("/v1/compare", "/v1/compare", SCOPE_VERIFY, compare_admit),
    GET("/v1/models", PUBLIC, SCOPE_MODELS_READ, models_list),
    GET("/v1/models/{model}", PUBLIC, SCOPE_MODELS_READ, models_show),
    GET("/v1/models/{model}/metrics", PUBLIC, SCOPE_MODELS_READ, models_show_metrics),
    GET("/v1/info", PUBLIC, 0, info_show),
    GET("/openapi.json", PUBLIC, 0, openapi_show),
    LIST("/admin/v1/models"),
    DELETE("/admin/v1/models/{model}"),
    PROMOTE("/admin/v1/models/{model}/active"),
    ASK("/admin/v1/datasets", LIST_QUERY, SCOPE_DATASETS_WRITE, datasets_list),
    UPLOAD("/admin/v1/datasets/{dataset}"),
    ASK("/admin/v1/datasets/{dataset}", NULL, SCOPE_DATASETS_WRITE, datasets_show),
    REMOVE("/admin/v1/datasets/{dataset}", SCOPE_DATASETS_WRITE, datasets_delete),
    REMOVE("/admin/v1/datasets/{dataset}/people/{person}", SCOPE_DATASETS_WRITE, datasets_delete_person),
    ASK("/admin/v1/fine-tunes", JOBS_QUERY_LIST, SCOPE_JOBS_WRITE, jobs_list),
    TELL("/admin/v1/fine-tunes", jobs_create),
    ASK("/admin/v1/fine-tunes/{job}", NULL, SCOPE_JOBS_WRITE, jobs_show),
    REMOVE("/admin/v1/fine-tunes/{job}", SCOPE_JOBS_WRITE, jobs_delete),
    TELL("/admin/v1/fine-tunes/{job}/cancel", jobs_cancel),
    TELL("/admin/v1/fine-tunes/{job}/pause", jobs_pause),
    TELL("/admin/v1/fine-tunes/{job}/resume", jobs_resume),
    FOLLOW("/admin/v1/fine-tunes/{job}/events"),
    ASK("/admin/v1/fine-tunes/{job}/checkpoints", NULL, SCOPE_JOBS_WRITE, jobs_checkpoints),
    SUBJECT("/admin/v1/subjects/show", subjects_show),
    SUBJECT("/admin/v1/subjects/lift", subjects_lift_lock),
    ASK("/admin/v1/evaluations", JOBS_QUERY_LIST, SCOPE_JOBS_WRITE, jobs_list),
    TELL("/admin/v1/evaluations", jobs_create),
    ASK("/admin/v1/evaluations/{job}", NULL, SCOPE_JOBS_WRITE, jobs_show),
    REMOVE("/admin/v1/evaluations/{job}", SCOPE_JOBS_WRITE, jobs_delete),
    TELL("/admin/v1/evaluations/{job}/cancel", jobs_cancel),
    TELL("/admin/v1/evaluations/{job}/pause", jobs_pause),
    TELL("/admin/v1/evaluations/{job}/resume", jobs_resume),
    FOLLOW("/admin/v1/evaluations/{job}/events"),
    ASK("/admin/v1/calibrations", JOBS_QUERY_LIST, SCOPE_JOBS_WRITE, jobs_list),
    TELL("/admin/v1/calibrations", jobs_create),
    ASK("/admin/v1/calibrations/{job}", NULL, SCOPE_JOBS_WRITE, jobs_show),
    REMOVE("/admin/v1/calibrations/{job}", SCOPE_JOBS_WRITE, jobs_delete),
    TELL("/admin/v1/calibrations/{job}/cancel", jobs_cancel),
    TELL("/admin/v1/calibrations/{job}/pause", jobs_pause),
    TELL("/admin/v1/calibrations/{job}/resume", jobs_resume),
    FOLLOW("/admin/v1/calibrations/{job}/events"),
    GET("/metrics", SCRAPE, SCOPE_METRICS_READ, health_metrics),
    PROBE("/livez", "/livez", health_live),
    PROBE("/healthz", "/livez", health_live),
    PROBE("/readyz", "/readyz", health_ready),
    PROBE("/startupz", "/startupz", health_startup),
};
/* clang-format on */

/* An embedding request's photographs come besides as many other parts as any form may have. */
static void limit_bodies(struct service *service) {
    const struct service_limits *limits = &service->options.limits;
    service->verify_body = (struct http_body_limits){
        .kinds = HTTP_BODY_MULTIPART | HTTP_BODY_JSON,
        .multipart_bytes_max = limits->multipart_bytes_max,
        .json_bytes_max = limits->json_bytes_max,
        .file_bytes_max = limits->image.bytes_max,
        .field_bytes_max = limits->field_bytes_max,
        .parts_max = (unsigned)limits->parts_max,
        .files = BODY_IMAGE_FIELDS,
    };
    service->embeddings_body = service->verify_body;
    service->embeddings_body.parts_max += BODY_IMAGES_MAX;
    service->compare_body = (struct http_body_limits){
        .kinds = HTTP_BODY_JSON,
        .json_bytes_max = limits->json_bytes_max < COMPARE_BODY_BYTES_MAX ? limits->json_bytes_max
                                                                          : COMPARE_BODY_BYTES_MAX,
    };
    service->upload_body = (struct http_body_limits){.kinds = HTTP_BODY_STREAM,
                                                     .stream_bytes_max = limits->archive.bytes_max,
                                                     .stream_types = DATASETS_TYPES};
    service->job_body =
        (struct http_body_limits){.kinds = HTTP_BODY_JSON, .json_bytes_max = SPEC_BYTES_MAX};
    service->empty_body =
        (struct http_body_limits){.kinds = HTTP_BODY_JSON, .json_bytes_max = PROMOTION_BYTES_MAX};
    service->subject_body = (struct http_body_limits){.kinds = HTTP_BODY_JSON,
                                                      .json_bytes_max = SUBJECT_BODY_BYTES_MAX};
    service->promotion_body =
        (struct http_body_limits){.kinds = HTTP_BODY_JSON, .json_bytes_max = PROMOTION_BYTES_MAX};
}

/* A POST of which the path says everything. */
static bool is_told(const struct http_endpoint *endpoint) {
    return endpoint->finish == jobs_cancel || endpoint->finish == jobs_pause ||
           endpoint->finish == jobs_resume;
}

static const struct http_body_limits *body_of(const struct service *service,
                                              const struct http_endpoint *endpoint) {
    return endpoint->admit == verify_admit            ? &service->verify_body
           : endpoint->admit == embeddings_admit      ? &service->embeddings_body
           : endpoint->admit == compare_admit         ? &service->compare_body
           : endpoint->finish == jobs_create          ? &service->job_body
           : is_told(endpoint)                        ? &service->empty_body
           : endpoint->admit == subjects_admit        ? &service->subject_body
           : endpoint->take                           ? &service->upload_body
           : endpoint->finish == admin_models_promote ? &service->promotion_body
                                                      : NULL;
}

void routes_build(struct service *service) {
    limit_bodies(service);
    size_t count = sizeof ENDPOINTS / sizeof ENDPOINTS[0];
    assert(count <= SERVICE_ENDPOINTS_MAX);
    for (size_t i = 0; i < count; i++) {
        service->endpoints[i] = ENDPOINTS[i];
        service->endpoints[i].body = body_of(service, &ENDPOINTS[i]);
        service->table[i] = &service->endpoints[i];
    }
}
