#include "cli/serve_settings.h"

#include "api/service.h"
#include "cli/trust.h"
#include "server/log.h"

#include <string.h>

static const char *const LOG_LEVELS[] = {"debug", "info", "warn", "error", "off", NULL};
static const char *const ROLES[] = {"all", "serve", "control", NULL}; /* as enum serve_role */
static const char *const LOCKOUTS[] = {"on", "off", NULL};            /* as enum serve_lockout */
#define KIB INT64_C(1024)
#define GIB (KIB * KIB * KIB)
#define YEAR_S INT64_C(31622400)
#define DAY_MS (UINT64_C(24) * 3600 * 1000)

struct serve_settings serve_settings_default(void) {
    const struct service_limits limits = SERVICE_LIMITS_DEFAULT;
    const struct subjects_options subjects = SUBJECTS_OPTIONS_DEFAULT;
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
        .address_burst = 20,
        .lockout_refusals = subjects.free_max,
        .lockout_seconds = subjects.wait_s,
        .lockout_limit = subjects.refusals_max,
        .lockout_days = (int64_t)(subjects.keep_ms / DAY_MS),
    };
}

/* What no option says alone; NULL: nothing. */
static const char *find_mistake(const struct serve_settings *s) {
    if (!s->tls_certificate != !s->tls_key)
        return "--tls-certificate and --tls-key need each other";
    if (s->admin_client_ca && !s->tls_certificate)
        return "--admin-client-ca needs --tls-certificate";
    if (s->metrics_tls && !s->tls_certificate)
        return "--metrics-tls needs --tls-certificate";
    if (s->role == SERVE_CONTROL && strcmp(s->admin_listen, "off") == 0)
        return "--role control has the admin listener: --admin-listen must not be off";
    if (s->lockout == LOCKOUT_OFF && s->lockout_data)
        return "--lockout-data names where to count, and --lockout off counts nothing";
    if (s->lockout_limit < s->lockout_refusals)
        return "--lockout-limit must not be below --lockout-refusals";
    return NULL;
}

#define TEXT(name, argument, help, field)                                                          \
    { name, argument, help, OPTION_STRING, .to.string = &s->field }
#define WHOLE(name, argument, help, field, low, high)                                              \
    {                                                                                              \
        name, argument, help, OPTION_INTEGER, .to.integer = &s->field, .integer = { low, high }    \
    }

bool serve_settings_parse(struct serve_settings *s, int argc, char **argv, int *code) {
    const struct option_spec table[] = {
        TEXT("listen", "A:P", "address of the public listener, or off (127.0.0.1:8080)", listen),
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
        TEXT("user", "NAME", "become this user once the ports are bound; for root", user),
        {"no-sandbox", NULL,
         "keep the files and system calls that the user may use but this program needs not",
         OPTION_FLAG, .to.flag = &s->no_sandbox},
        {"log-level", "LEVEL", "debug, info, warn, error or off (info)", OPTION_CHOICE,
         .to.choice = &s->log_level, .choices = LOG_LEVELS},
        WHOLE("connections", "N", "connections of the public listener (1024)", connections, 1,
              60000),
        WHOLE("address-connections", "N",
              "connections of the public listener from one address (an IPv6 /64), those of trusted "
              "proxies excepted; 0: no limit (0)",
              address_connections, 0, 60000),
        {"address-rate", "N",
         "requests a second from one address, on the public listener; 0: no limit (0)", OPTION_REAL,
         .to.real = &s->address_rate, .real = {0, 1e6}},
        {"address-burst", "N", "and how many at once (20)", OPTION_REAL,
         .to.real = &s->address_burst, .real = {1, 1e6}},
        {"trusted-proxies", "CIDR",
         "addresses whose X-Forwarded-For is believed, as 10.0.0.0/8,2001:db8::/32; repeatable "
         "(none)",
         OPTION_LIST, .to.list = &s->trusted_proxies},
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
        TEXT("tls-certificate", "FILE",
             "PEM, the server's own first: the public and the admin listener speak TLS; read anew "
             "at SIGHUP (none: plain HTTP)",
             tls_certificate),
        TEXT("tls-key", "FILE", "PEM, its key", tls_key),
        TEXT("admin-client-ca", "FILE",
             "PEM: the admin listener serves only who has a certificate of these authorities "
             "(none: asks for no certificate)",
             admin_client_ca),
        {"metrics-tls", NULL, "the listener of --metrics-listen speaks TLS too", OPTION_FLAG,
         .to.flag = &s->metrics_tls},
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
        {"lockout", "on|off",
         "count how often in a row the `subject` of requests was refused, and make it wait (on)",
         OPTION_CHOICE, .to.choice = &s->lockout, .choices = LOCKOUTS},
        TEXT("lockout-data", "DIR",
             "a folder on a local disk for these counts, shared by processes of one host (the data "
             "directory, but for --role serve)",
             lockout_data),
        WHOLE("lockout-refusals", "N", "refusals in a row that are free (5)", lockout_refusals, 1,
              1000),
        WHOLE("lockout-seconds", "SECONDS", "how long each further try then waits (30)",
              lockout_seconds, 1, 24 * 3600),
        WHOLE("lockout-limit", "N",
              "refusals in a row that disable a subject until an operator lifts it (50)",
              lockout_limit, 1, 1000000),
        WHOLE("lockout-days", "N",
              "days after its last refusal that a subject is forgotten, unless disabled (365)",
              lockout_days, 1, 36500),
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
    if (!options_parse(&options, argc, argv, &arguments, code))
        return false;
    const char *mistake = find_mistake(s);
    if (mistake) {
        *code = options_mistake(&options, "%s", mistake);
        return false;
    }
    log_set_level((enum log_level)s->log_level);
    options_warn_of_variables(&options);
    return true;
}
