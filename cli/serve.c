/* facepair serve: puts the loop, the service and its listeners together, and takes them apart in
 * order.
 *
 * The first SIGTERM or SIGINT says goodbye: /readyz says 503 and every answer Connection: close, so
 * that a balancer sends its next requests elsewhere. What still comes within --drain-delay is
 * served as before. Then it drains: new verifications are refused, the public listener closes once
 * its requests are answered, then the other listeners (they have carried the probes until then);
 * the trainer gives back its job meanwhile. When all have ended the loop stops and the program
 * exits 0. A second signal ends it at once, and the kernel tells the trainer. SIGHUP has the
 * callers' keys read anew.
 */
#include "api/authorize.h"
#include "api/service.h"
#include "api/supervisor.h"
#include "cli/command.h"
#include "cli/data.h"
#include "cli/serve_settings.h"
#include "cli/trust.h"
#include "model/json.h"
#include "model/network/network.h"
#include "server/log.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { LISTENERS = 3, ADDRESS_SIZE = 128 };
/* An answer may take this long after its request's own deadline: a stage that has begun is ended.
 */
enum { ANSWER_GRACE_MS = 10000 };

struct server {
    struct loop *loop;
    struct service *service;
    struct http_application application;
    struct http_listener *listeners[LISTENERS]; /* public, admin, metrics; NULL: off */
    unsigned side_listeners;                    /* admin and metrics, while they drain */
    unsigned waits;                             /* what must end before the loop does */
    uv_signal_t terminate, interrupt, hang_up;
    uv_timer_t delay; /* between the signal and the end of accepting */
    uint64_t drain_delay_ms;
    bool watching, leaving;
};

static const char *const LISTENER_NAMES[LISTENERS] = {"listen", "admin", "metrics"};

static struct supervisor_options trainer_options(const struct serve_settings *s) {
    return (struct supervisor_options){.threads = (unsigned)s->trainer_threads,
                                       .memory_bytes = (uint64_t)s->trainer_memory,
                                       .lease_ms = (uint64_t)s->lease_ms,
                                       .trusted = s->trusted_modules.values};
}

/* A program that may only read its data serves all the same, as an installed one does. */
static bool may_keep_store(const struct serve_settings *s, const char *data) {
    if (s->role != SERVE_ALL || access(data, W_OK) == 0)
        return s->role != SERVE_SERVE;
    log_event(LOG_WARN, "no_store", LOG_STR("cause", strerror(errno)),
              LOG_STR("meaning", "the data directory cannot be written, so there are neither data "
                                 "sets nor jobs; --role serve says so"));
    return false;
}

static struct service_options service_options(const struct serve_settings *s, const char *data,
                                              bool keeps_store,
                                              const struct supervisor_options *trainer) {
    struct service_limits limits = SERVICE_LIMITS_DEFAULT;
    limits.image.bytes_max = (size_t)s->image_bytes;
    limits.image.pixels_max = (uint64_t)s->image_pixels;
    limits.multipart_bytes_max = (size_t)s->multipart_bytes;
    limits.json_bytes_max = (size_t)s->json_bytes;
    limits.bodies_bytes_max = (size_t)s->bodies_bytes;
    limits.prepare_tasks_max = (size_t)s->prepare_queue;
    limits.embed_items_max = (size_t)s->embed_queue;
    limits.timeout_ms = (unsigned)s->timeout_ms;
    limits.archive.bytes_max = (uint64_t)s->dataset_bytes;
    limits.archive.members_max = (uint64_t)s->dataset_members;
    limits.archive.image_bytes_max = (uint64_t)s->image_bytes;
    return (struct service_options){
        .data_directory = data,
        .default_model = s->model,
        .pinned = s->also_load.values,
        .models_bytes_max = (uint64_t)s->models_memory,
        .device = s->device,
        .prepare_threads = (unsigned)s->prepare_threads,
        .default_max_fmr = s->default_max_fmr,
        .hang_ms = (uint64_t)(s->hang_s * 1000),
        .keeps_store = keeps_store,
        .jobs_keep_s = (uint64_t)s->job_days * 24 * 3600,
        .trainer = keeps_store && !s->no_trainer ? trainer : NULL,
        .audit = s->audit,
        .audit_bytes_max = (uint64_t)s->audit_bytes,
        .keys_file = s->keys_file,
        .token_key_file = s->token_key_file,
        .token_lifetime_s = (unsigned)s->token_lifetime,
        .allow_raw_embeddings = s->allow_raw_embeddings,
        .limits = limits,
    };
}

/* ---- listeners ---- */

static bool is_off(const char *address) { return strcmp(address, "off") == 0; }

static enum status check_addresses(const char *const addresses[LISTENERS], bool open,
                                   struct error *err) {
    for (int i = 0; i < LISTENERS; i++)
        if (!open && !is_off(addresses[i]) && !http_address_is_loopback(addresses[i]))
            return error_set(err, STATUS_INTERNAL,
                             "%.100s is beyond loopback and no key protects it; --keys-file names "
                             "keys, --insecure listens there all the same",
                             addresses[i]);
    return STATUS_OK;
}

static enum status start_listeners(struct server *server, const struct serve_settings *s,
                                   const char *const addresses[LISTENERS], struct error *err) {
    static const unsigned roles[LISTENERS] = {HTTP_PUBLIC, HTTP_ADMIN, HTTP_METRICS};
    enum { SIDE_CONNECTIONS = 64 };
    enum status status = STATUS_OK;
    for (int i = 0; i < LISTENERS && status == STATUS_OK; i++) {
        const struct http_listener_options options = {
            .role = roles[i],
            .address = addresses[i],
            .connections_max =
                roles[i] == HTTP_PUBLIC ? (unsigned)s->connections : SIDE_CONNECTIONS,
            .header_ms_max = (unsigned)s->header_ms,
            .body_ms_max = (unsigned)s->body_ms,
            .answer_ms_max = TIMEOUT_MS_MAX + ANSWER_GRACE_MS,
            .header_bytes_max = (size_t)s->header_bytes,
        };
        if (!is_off(addresses[i]))
            status = http_listener_start(&options, &server->application, server->loop,
                                         &server->listeners[i], err);
    }
    return status;
}

/* The address asked for with the port that was bound. */
static const char *bound_address(const struct http_listener *listener, const char *address,
                                 char text[ADDRESS_SIZE]) {
    if (!listener)
        return NULL;
    const char *colon = strrchr(address, ':');
    snprintf(text, ADDRESS_SIZE, "%.*s:%u", colon ? (int)(colon - address) : 0, address,
             http_listener_port(listener));
    return text;
}

static void log_ready(const struct server *server, const char *const addresses[LISTENERS]) {
    char text[LISTENERS][ADDRESS_SIZE];
    const char *bound[LISTENERS];
    for (int i = 0; i < LISTENERS; i++)
        bound[i] = bound_address(server->listeners[i], addresses[i], text[i]);
    log_event(LOG_INFO, "ready", LOG_STR("version", FACEPAIR_VERSION),
              LOG_STR(LISTENER_NAMES[0], bound[0]), LOG_STR(LISTENER_NAMES[1], bound[1]),
              LOG_STR(LISTENER_NAMES[2], bound[2]),
              LOG_INT("prepare_threads", server->service->prepare_threads));
    size_t keys = token_keys_count(server->service->token_keys);
    if (server->service->options.token_key_file)
        log_event(LOG_INFO, "token_keys", LOG_STR("source", "file"), LOG_INT("count", keys));
    else
        log_event(LOG_INFO, "token_keys", LOG_STR("source", "random"), LOG_INT("count", keys),
                  LOG_STR("meaning", "no other process opens this one's embedding tokens; "
                                     "--token-key-file shares keys"));
}

/* ---- shutdown ---- */

static void has_ended(void *context) {
    struct server *server = context;
    if (--server->waits == 0)
        loop_stop(server->loop);
}

static void side_drained(void *context) {
    struct server *server = context;
    if (--server->side_listeners == 0)
        has_ended(server);
}

static void public_drained(void *context) {
    struct server *server = context;
    for (int i = 1; i < LISTENERS; i++)
        server->side_listeners += server->listeners[i] != NULL;
    if (server->side_listeners == 0)
        has_ended(server);
    for (int i = 1; i < LISTENERS; i++)
        if (server->listeners[i])
            http_listener_drain(server->listeners[i], side_drained, server);
}

static void drain(struct server *server) {
    service_drain(server->service);
    server->waits = 1;
    if (server->service->supervisor) {
        server->waits++;
        supervisor_drain(server->service->supervisor, has_ended, server);
    }
    http_listener_drain(server->listeners[0], public_drained, server);
}

static void on_delay_over(uv_timer_t *timer) { drain(timer->data); }

static void on_signal(uv_signal_t *handle, int number) {
    struct server *server = handle->data;
    if (server->leaving)
        _exit(128 + number);
    server->leaving = true;
    log_event(LOG_INFO, "draining", LOG_INT("signal", number),
              LOG_INT("delay_ms", server->drain_delay_ms));
    service_leave(server->service);
    http_listener_farewell(server->listeners[0]);
    if (server->drain_delay_ms == 0)
        drain(server);
    else
        uv_timer_start(&server->delay, on_delay_over, server->drain_delay_ms, 0);
}

static void on_hang_up(uv_signal_t *handle, int number) {
    (void)number;
    struct server *server = handle->data;
    authorize_reload(server->service);
}

static void watch_signals(struct server *server) {
    server->terminate.data = server->interrupt.data = server->hang_up.data = server;
    uv_signal_init(loop_uv(server->loop), &server->terminate);
    uv_signal_init(loop_uv(server->loop), &server->interrupt);
    uv_signal_init(loop_uv(server->loop), &server->hang_up);
    server->delay.data = server;
    uv_timer_init(loop_uv(server->loop), &server->delay);
    uv_signal_start(&server->terminate, on_signal, SIGTERM);
    uv_signal_start(&server->interrupt, on_signal, SIGINT);
    uv_signal_start(&server->hang_up, on_hang_up, SIGHUP);
    server->watching = true;
}

/* ---- the run ---- */

static enum status start(struct server *server, const struct serve_settings *s, const char *data,
                         const char *const addresses[LISTENERS], struct error *err) {
    enum status status = network_runtime_open(s->device, (unsigned)s->threads, err);
    if (status == STATUS_OK)
        status = trust_modules(&s->trusted_modules, err);
    if (status == STATUS_OK)
        status = loop_create(&server->loop, err);
    if (status != STATUS_OK)
        return status;
    const struct supervisor_options trainer = trainer_options(s);
    const struct service_options options =
        service_options(s, data, may_keep_store(s, data), &trainer);
    status = service_create(&options, server->loop, &server->service, err);
    if (status != STATUS_OK)
        return status;
    server->application = service_application(server->service);
    server->application.allowed_hosts = s->allowed_hosts.values;
    if (s->allowed_origins.count > 0)
        server->application.allowed_origins = s->allowed_origins.values;
    server->application.guard_hosts = !s->insecure && !s->keys_file;
    return start_listeners(server, s, addresses, err);
}

static void stop(struct server *server) {
    for (int i = 0; i < LISTENERS; i++)
        if (server->listeners[i])
            http_listener_stop(server->listeners[i]);
    service_destroy(server->service);
    if (server->watching) {
        uv_close((uv_handle_t *)&server->terminate, NULL);
        uv_close((uv_handle_t *)&server->interrupt, NULL);
        uv_close((uv_handle_t *)&server->hang_up, NULL);
        uv_close((uv_handle_t *)&server->delay, NULL);
    }
    loop_destroy(server->loop);
}

/* Whatever is as large as a photograph or a pair's chips comes from mmap and goes back to the
 * kernel at once: on the heap, blocks of all sizes would leave holes that grow for hours. (glibc
 * raises its own threshold with each large block that is freed, and gives each thread an arena.) */
static void settle_memory(void) {
    enum { KIB = 1024 };
    mallopt(M_MMAP_THRESHOLD, 256 * KIB);
    mallopt(M_TRIM_THRESHOLD, 4096 * KIB);
    mallopt(M_ARENA_MAX, 4);
    json_use_our_memory();
}

/* A core would hold the photographs of all requests under way. (LeakSanitizer traces its own
 * process, which must be dumpable for that.) */
static void forbid_dumps(void) {
#if !defined(__SANITIZE_ADDRESS__)
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

static int serve(const struct serve_settings *s) {
    const char *admin = s->role == SERVE_SERVE ? "off" : s->admin_listen;
    const char *const addresses[LISTENERS] = {s->listen, admin, s->metrics_listen};
    struct server server = {.drain_delay_ms = (uint64_t)(s->drain_delay_s * 1000)};
    struct error err;
    char data[DATA_PATH_MAX];
    enum status status = check_addresses(addresses, s->insecure || s->keys_file, &err);
    if (status == STATUS_OK)
        status = data_directory_find(s->data, data, &err);
    if (status == STATUS_OK)
        status = start(&server, s, data, addresses, &err);
    if (status == STATUS_OK) {
        watch_signals(&server);
        log_ready(&server, addresses);
        loop_run(server.loop);
        log_event(LOG_INFO, "stopped", LOG_BOOL("drained", true));
    }
    stop(&server);
    return status == STATUS_OK ? EXIT_DONE : cli_failed("serve", err.detail);
}

int cli_serve(int argc, char **argv) {
    struct serve_settings settings = serve_settings_default();
    int code;
    if (serve_settings_parse(&settings, argc, argv, &code)) {
        signal(SIGPIPE, SIG_IGN);
        log_set_level((enum log_level)settings.log_level);
        settle_memory();
        if (!settings.core_dumps)
            forbid_dumps();
        code = serve(&settings);
    }
    option_list_release(&settings.allowed_hosts);
    option_list_release(&settings.allowed_origins);
    option_list_release(&settings.trusted_modules);
    option_list_release(&settings.also_load);
    return code;
}
