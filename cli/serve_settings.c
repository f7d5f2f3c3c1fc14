#include "cli/serve_settings.h"

#include "api/service.h"
#include "cli/trust.h"
#include "server/log.h"

static const char *const LOG_LEVELS[] = {"debug", "info", "warn", "error", "off", NULL};
static const char *const ROLES[] = {"all", "serve", "control", NULL}; /* as enum serve_role */
#define KIB INT64_C(1024)
#define GIB (KIB * KIB * KIB)
#define YEAR_S INT64_C(31622400)

struct serve_settings serve_settings_default(void) {
    const struct service_limits limits = SERVICE_LIMITS_DEFAULT;
    return (struct serve_settings){
        .listen = "127.0.0.1:8080",
        .admin_listen = "127.0.0.1:8081",
        .metrics_listen = "off",
        .device = "cpu",
        .log_level = LOG_INFO,
        .default_max_fmr = 0.001,
        .connections = 1024,
        .header_bytes = 16 * 1024,
        .header_ms = 10000,
        .body_ms = 30000,
        .answer_ms = 30000,
        .timeout_ms = limits.timeout_ms,
        .image_bytes = (int64_t)limits.image.bytes_max,
        .image_pixels = (int64_t)limits.image.pixels_max,
        .multipart_bytes = (int64_t)limits.multipart_bytes_max,
        .json_bytes = (int64_t)limits.json_bytes_max,
        .bodies_bytes = (int64_t)limits.bodies_bytes_max,
        .prepare_queue = (int64_t)limits.prepare_tasks_max,
        .embed_queue = (int64_t)limits.embed_items_max,
        .queue_ms = limits.queue_ms,
        .hang_s = 30,
        .token_lifetime = 24 * 3600,
        .audit_bytes = 256 * KIB * KIB,
        .dataset_bytes = (int64_t)limits.archive.bytes_max,
        .dataset_members = (int64_t)limits.archive.members_max,
        .job_days = 90,
        .lease_ms = 30000,
    };
}

#define TEXT(name, argument, help, field)                                                          \
    { name, argument, help, OPTION_STRING, .to.string = &s->field }
#define WHOLE(name, argument, help, field, low, high)                                              \
    {                                                                                              \
        name, argument, help, OPTION_INTEGER, .to.integer = &s->field, .integer = { low, high }    \
    }

bool serve_settings_parse(struct serve_settings *s, int argc, char **argv, int *code) {
    const struct option_spec table[] = {
        TEXT("listen", "A:P", "address of the public listener (127.0.0.1:8080)", listen),
        TEXT("admin-listen", "A:P", "address of the admin listener, or off (127.0.0.1:8081)",
             admin_listen),
        TEXT("metrics-listen", "A:P", "address of a listener for /metrics and probes only (off)",
             metrics_listen),
        TEXT("data", "DIR", "the data directory", data),
        TEXT("model", "NAME", "the model of requests that name none", model),
        {"also-load", "NAME@VERSION",
         "a version to keep loaded besides the active ones; repeatable", OPTION_LIST,
         .to.list = &s->also_load},
        WHOLE("models-memory-max", "N",
              "bytes that loaded models may take, by what each declares; 0: half the memory "
              "granted (0)",
              models_memory, 0, 1024 * 1024 * GIB),
        TEXT("device", "DEVICE", "cpu or cuda:N (cpu)", device),
        WHOLE("threads", "N", "threads within a batch; 0: as measured (0)", threads, 0, 256),
        WHOLE("prepare-threads", "N", "threads that prepare photographs; 0: one a CPU (0)",
              prepare_threads, 0, 256),
        {"default-max-fmr", "RATE", "false-match rate of requests without a rule (0.001)",
         OPTION_REAL, .to.real = &s->default_max_fmr, .real = {1e-9, 1}},
        {"allowed-host", "HOST", "a Host to accept besides localhost; repeatable", OPTION_LIST,
         .to.list = &s->allowed_hosts},
        {"allowed-origin", "ORIGIN", "a web origin that may call; repeatable", OPTION_LIST,
         .to.list = &s->allowed_origins},
        TRUST_OPTION(&s->trusted_modules),
        {"insecure", NULL, "listen beyond loopback and accept any Host although there are no keys",
         OPTION_FLAG, .to.flag = &s->insecure},
        {"core-dumps", NULL, "let a crash write a core, which may hold photographs and embeddings",
         OPTION_FLAG, .to.flag = &s->core_dumps},
        {"log-level", "LEVEL", "debug, info, warn, error or off (info)", OPTION_CHOICE,
         .to.choice = &s->log_level, .choices = LOG_LEVELS},
        WHOLE("connections", "N", "connections of the public listener (1024)", connections, 1,
              60000),
        WHOLE("timeout-ms", "MS", "deadline of a request that names none (10000)", timeout_ms,
              TIMEOUT_MS_MIN, TIMEOUT_MS_MAX),
        {"drain-delay", "SECONDS",
         "how long to serve on after SIGTERM, while /readyz says 503 already (0)", OPTION_REAL,
         .to.real = &s->drain_delay_s, .real = {0, 600}},
        {"hang-seconds", "SECONDS",
         "/livez says no when a worker takes this long, and ten times its slowest piece of work "
         "(30)",
         OPTION_REAL, .to.real = &s->hang_s, .real = {0.1, 3600}},
        WHOLE("header-bytes", "N", "bytes of a header (16384)", header_bytes, KIB, 64 * KIB),
        WHOLE("header-ms", "MS", "time for a header to arrive (10000)", header_ms, 10, 600000),
        WHOLE("body-ms", "MS", "time for a body to arrive (30000)", body_ms, 10, 600000),
        WHOLE("answer-ms", "MS", "time for an answer to be taken (30000)", answer_ms, 10, 600000),
        WHOLE("image-bytes", "N", "bytes of one photograph (10 MiB)", image_bytes, KIB, GIB),
        WHOLE("image-pixels", "N", "pixels of one photograph (50000000)", image_pixels, 1, 1 << 28),
        WHOLE("multipart-bytes", "N", "bytes of a multipart body (21 MiB)", multipart_bytes, KIB,
              GIB),
        WHOLE("json-bytes", "N", "bytes of a JSON body (29 MiB)", json_bytes, KIB, GIB),
        WHOLE("bodies-bytes", "N",
              "bytes of all bodies under way; 0: an eighth of the memory granted (0)", bodies_bytes,
              0, 1024 * GIB),
        WHOLE("prepare-queue", "N", "photographs that may wait for preparation (256)",
              prepare_queue, 2, 100000),
        WHOLE("embed-queue", "N", "pairs or faces that may wait for a model version (256)",
              embed_queue, 1, 100000),
        WHOLE("queue-ms", "MS",
              "milliseconds of work that may wait, by what was measured, before requests are "
              "refused (1000)",
              queue_ms, 1, 600000),
        TEXT(
            "keys-file", "FILE",
            "the callers' keys, made by `facepair key`; read anew at SIGHUP (none: no key is asked "
            "for)",
            keys_file),
        TEXT("audit", "FILE",
             "record every decision and change in this file, chained by hashes; - is stdout (none)",
             audit),
        WHOLE("audit-bytes", "N", "rename the record past this size (256 MiB)", audit_bytes, KIB,
              1024 * GIB),
        TEXT("token-key-file", "FILE",
             "keys of embedding tokens, one a line; the first seals (a key of this process's own)",
             token_key_file),
        WHOLE("token-lifetime", "SECONDS", "how long an embedding token is accepted (86400)",
              token_lifetime, 1, YEAR_S),
        {"role", "ROLE",
         "all; serve: only answers, without admin listener, data sets and jobs; control: the one "
         "of a fleet that has them (all)",
         OPTION_CHOICE, .to.choice = &s->role, .choices = ROLES},
        WHOLE("dataset-bytes", "N", "bytes of one data set, as sent and unpacked (64 GiB)",
              dataset_bytes, KIB, 1024 * GIB),
        WHOLE("dataset-members", "N", "files and folders of an archive (400000)", dataset_members,
              1, 2000000),
        WHOLE("job-days", "N", "days that a job is kept after its end; 0: for ever (90)", job_days,
              0, 36500),
        {"no-trainer", NULL, "jobs are run by a `facepair trainer` elsewhere on this host",
         OPTION_FLAG, .to.flag = &s->no_trainer},
        WHOLE("trainer-threads", "N", "threads of a job; 0: one for each CPU granted (0)",
              trainer_threads, 0, 256),
        WHOLE("trainer-memory-max", "N",
              "bytes of memory beyond which a job fails; 0: half the memory granted (0)",
              trainer_memory, 0, 1024 * 1024 * GIB),
        WHOLE("lease-ms", "MS", "how long a job is held without a sign of life (30000)", lease_ms,
              500, 3600000),
        {"allow-raw-embeddings", NULL, "tell and take the components of embeddings", OPTION_FLAG,
         .to.flag = &s->allow_raw_embeddings},
    };
    const struct options options = {
        .command = "serve",
        .summary = "Answers over HTTP whether two photographs show the same person.",
        .table = table,
        .count = OPTIONS_COUNT(table),
    };
    struct options_arguments arguments;
    return options_parse(&options, argc, argv, &arguments, code);
}
