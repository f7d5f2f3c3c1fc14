/* The application as one context: what every endpoint may reach. Loop thread only. */
#ifndef FACEPAIR_API_SERVICE_H
#define FACEPAIR_API_SERVICE_H

#include "model/batcher.h"
#include "model/dataset_archive.h"
#include "model/image/image.h"
#include "model/prepare.h"
#include "model/registry.h"
#include "model/store/jobs.h"
#include "model/store/subjects.h"
#include "model/token_keys.h"
#include "server/http/listener.h"
#include "server/loop.h"
#include "server/metrics.h"
#include "server/pool.h"
#include "server/spare.h"

#include <stdatomic.h>

enum { TIMEOUT_MS_MIN = 10, TIMEOUT_MS_MAX = 60000 };

/* Each is an option of `facepair serve`, and told by GET /v1/info. */
struct service_limits {
    struct image_limits image;
    size_t multipart_bytes_max, json_bytes_max;
    size_t parts_max, field_bytes_max;
    size_t bodies_bytes_max;       /* of all that are under way; 0: a share of the memory granted */
    size_t prepare_tasks_max;      /* the preparation pool's queue; one photograph is one task */
    size_t embed_items_max;        /* of each model version that wait for the network */
    unsigned queue_ms;             /* of measured work that may wait before a request is refused */
    unsigned timeout_ms;           /* without X-Request-Timeout-Ms */
    struct archive_limits archive; /* of an uploaded data set; as much may be sent */
};
#define SERVICE_LIMITS_DEFAULT                                                                     \
    ((struct service_limits){.image = IMAGE_LIMITS_DEFAULT,                                        \
                             .multipart_bytes_max = 21u << 20,                                     \
                             .json_bytes_max = 29u << 20,                                          \
                             .parts_max = 32,                                                      \
                             .field_bytes_max = 256,                                               \
                             .prepare_tasks_max = 256,                                             \
                             .embed_items_max = 256,                                               \
                             .queue_ms = 1000,                                                     \
                             .timeout_ms = 10000,                                                  \
                             .archive = ARCHIVE_LIMITS_DEFAULT})

struct service_options {
    const char *data_directory;
    const char *default_model; /* NULL: the registry's choice */
    const char *device;        /* as told in /metrics and /v1/info */
    const char *const *pinned; /* "NAME@VERSION" to load besides; NULL at the end; NULL: none */
    uint64_t models_bytes_max; /* of all loaded models; 0: half the memory granted */
    unsigned prepare_threads;  /* 0: one for each CPU granted */
    uint64_t hang_ms;          /* a worker that takes longer hangs (server/beat.h): not /livez */
    double default_max_fmr;
    const char *audit; /* a journal of decisions, "-" for stdout; NULL: none is kept */
    uint64_t audit_bytes_max;
    const char *keys_file;      /* of the callers' keys; NULL: whoever reaches it may call */
    const char *token_key_file; /* NULL: a key that ends with this process */
    unsigned token_lifetime_s;
    struct subjects_options lockout;          /* folder NULL: no refusals are counted */
    bool keeps_store;                         /* data sets and jobs are this process's */
    uint64_t jobs_keep_s;                     /* after they have ended; 0: for ever */
    const struct supervisor_options *trainer; /* NULL: none is started; borrowed at creation only */
    bool allow_raw_embeddings;                /* whoever calls may have and hand in components */
    struct service_limits limits;
};

enum { SERVICE_ENDPOINTS_MAX = 56 };

struct service {
    struct service_options options; /* its strings are borrowed */
    struct loop *loop;              /* borrowed */
    struct metrics *metrics;
    struct prepare_shared *prepare;
    struct registry *registry;
    struct batcher *batcher;
    struct pool *pool;
    struct spare *spare; /* the loop's: of the network's inputs */
    struct token_keys *token_keys;
    struct journal *journal; /* NULL: no audit */
    struct keys *keys;       /* of callers; NULL: none are asked for */
    struct reload *keys_reload;
    struct keeper *keeper; /* the disk thread's, once that runs */
    struct pool *disk;
    struct follow *follow;
    struct lockout *lockout; /* NULL: no refusals of subjects are counted */
    struct store *store;     /* the disk thread's, once that runs; NULL: this process keeps none */
    struct supervisor *supervisor; /* NULL: no trainer is started here */
    struct pool *upload_threads;
    struct pool *remover;
    atomic_bool ending;                     /* what takes long and may be cut short is */
    unsigned uploads;                       /* under way */
    struct dataset_upload *dataset_uploads; /* whose bodies come */
    struct event_feed *event_feed;
    struct housekeeping *housekeeping;
    size_t jobs_counted[JOB_KINDS_COUNT][JOB_STATES_COUNT]; /* the disk thread's (job_metrics.c) */
    unsigned prepare_threads;
    bool leaving;        /* /readyz says 503 */
    bool draining;       /* and no new work is admitted */
    size_t bodies_bytes; /* admitted and not released */
    size_t pool_tasks;   /* places of the pool's queue that requests hold; service_reserve() */
    size_t photographs;  /* that requests have taken on and that are not prepared yet */
    double prepare_us;   /* running mean of one photograph's preparation; 0: none was yet */
    /* The routes, with this instance's limits. */
    struct http_body_limits verify_body, embeddings_body, compare_body, promotion_body, upload_body,
        job_body, empty_body, subject_body;
    struct http_endpoint endpoints[SERVICE_ENDPOINTS_MAX];
    const struct http_endpoint *table[SERVICE_ENDPOINTS_MAX + 1];
};

/* Loads and warms the models, starts the pool and the worker. network_runtime_open() has been
 * called. Errors name the file. The service stays where it is until service_destroy. */
enum status service_create(const struct service_options *options, struct loop *loop,
                           struct service **service, struct error *err);
/* Only when no request is left, and the loop no longer runs: has the threads end that wait for
 * disks, and waits for them at most until clock_monotonic_us() is until_us. NULL: they have ended;
 * else the name of one that has not, and what is left to do is to end the process. */
const char *service_end_by(struct service *service, uint64_t until_us);
/* Only when no request is left: waits for those threads as long as it takes. NULL is allowed. */
void service_destroy(struct service *service);

/* For http_listener_start: the routes and the wording of errors. Guards are the caller's. */
struct http_application service_application(struct service *service);

/* Says by /readyz that it is about to go; work is still admitted. */
void service_leave(struct service *service);
void service_drain(struct service *service);
bool service_ready(const struct service *service);
/* Sets places of the preparation pool's queue aside: only the loop pushes, so who holds a place is
 * not refused. False: there are not so many left. */
bool service_reserve(struct service *service, size_t tasks);
void service_unreserve(struct service *service, size_t tasks);

#endif
