/* facepair serve: puts the loop, the service and its listeners together, and takes them apart in
 * order.
 *
 * The first SIGTERM or SIGINT says goodbye: /readyz says 503 and every answer Connection: close, so
 * that a balancer sends its next requests elsewhere. What still comes within --drain-delay is
 * served as before. Then it drains: new verifications are refused, the public listener closes once
 * its requests are answered, then the other listeners (they have carried the probes until then);
 * the trainer gives back its job meanwhile. When all have ended the loop stops and the program
 * exits 0; threads that wait for a disk have a second for that. A second signal ends it at once,
 * and the kernel tells the trainer. SIGHUP has the callers' keys and the certificates read anew.
 * While it starts nobody is served yet: a signal to end is obeyed at once, and a SIGHUP as soon as
 * it has started.
 *
 * Before anything is read it has given up what it does not need (cli/serve_sandbox.h).
 */
#include "api/audit.h"
#include "api/authorize.h"
#include "api/health.h"
#include "api/reload.h"
#include "api/service.h"
#include "api/supervisor.h"
#include "cli/command.h"
#include "cli/data.h"
#include "cli/notify.h"
#include "cli/serve_connections.h"
#include "cli/serve_sandbox.h"
#include "cli/serve_service.h"
#include "cli/serve_settings.h"
#include "cli/serve_signals.h"
#include "cli/serve_tls.h"
#include "cli/trust.h"
#include "model/json.h"
#include "model/network/network.h"
#include "server/clock.h"
#include "server/log.h"
#include "server/spare.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PUBLIC, ADMIN, METRICS, LISTENERS }; /* places of the listeners */
enum { ADDRESS_SIZE = 128, END_MS = 1000 };
_Static_assert(LISTENERS == 1 + SIDE_LISTENERS, "the public one and those beside it");

struct server {
    struct loop *loop;
    struct tls *tls; /* NULL: none of the listeners speaks it */
    struct reload *tls_reload;
    struct background_place place;
    bool keeps_store;
    struct service *service;
    struct http_application application;
    int bound[LISTENERS];                       /* their sockets, until they are started; 0: none */
    struct http_listener *listeners[LISTENERS]; /* NULL: off */
    unsigned side_listeners;                    /* admin and metrics, while they drain */
    unsigned waits;                             /* what must end before the loop does */
    uv_signal_t terminate, interrupt, hang_up;
    uv_timer_t delay; /* between the signal and the end of accepting; then for on_side_waits */
    uv_timer_t watchdog;
    struct notify notify;
    uint64_t drain_delay_ms;
    bool watching, leaving;
    struct ip_range proxies[OPTION_LIST_MAX]; /* trusted */
    size_t proxies_count;
};

static const char *const LISTENER_NAMES[LISTENERS] = {"listen", "admin", "metrics"};

/* ---- listeners ---- */

static bool is_off(const char *address) { return strcmp(address, "off") == 0; }

static enum status check_addresses(const char *const addresses[LISTENERS],
                                   const struct serve_settings *s, struct error *err) {
    if (is_off(addresses[PUBLIC]) && is_off(addresses[ADMIN]) && is_off(addresses[METRICS]))
        return error_set(err, STATUS_INTERNAL,
                         "no listener is left: --listen, --admin-listen (--role serve has none) "
                         "and --metrics-listen are off");
    for (int i = 0; i < LISTENERS; i++) {
        bool open = s->insecure || s->keys_file || (i == ADMIN && s->admin_client_ca);
        if (!open && !is_off(addresses[i]) && !http_address_is_loopback(addresses[i]))
            return error_set(err, STATUS_INTERNAL,
                             "%.100s is beyond loopback and no key protects it; --keys-file names "
                             "keys, --insecure listens there all the same",
                             addresses[i]);
    }
    return STATUS_OK;
}

static enum status bind_listeners(struct server *server, const char *const addresses[LISTENERS],
                                  struct error *err) {
    enum status status = STATUS_OK;
    for (int i = 0; i < LISTENERS && status == STATUS_OK; i++)
        if (!is_off(addresses[i]))
            status = http_address_bind(addresses[i], &server->bound[i], err);
    return status;
}

static enum status read_proxies(struct server *server, const struct option_list *list,
                                struct error *err) {
    for (size_t i = 0; i < list->count; i++)
        if (!ip_range_parse(list->values[i], &server->proxies[server->proxies_count++]))
            return error_set(
                err, STATUS_INTERNAL,
                "--trusted-proxies: %.100s is not an address or a range as 10.0.0.0/8, "
                "without bits beyond its prefix",
                list->values[i]);
    return STATUS_OK;
}

/* Nothing of an address is looked at, or told, unless an option asks for it. */
static struct http_address_options address_options(const struct server *server,
                                                   const struct serve_settings *s) {
    return (struct http_address_options){
        .limits = {.connections_max = (unsigned)s->address_connections,
                   .rate = {.per_s = s->address_rate, .burst = s->address_burst}},
        .trusted = server->proxies,
        .trusted_count = server->proxies_count,
        .logged = s->address_connections > 0 || s->address_rate > 0 || server->proxies_count > 0,
    };
}

static enum status start_listeners(struct server *server, const struct serve_settings *s,
                                   const char *const addresses[LISTENERS], struct error *err) {
    static const unsigned roles[LISTENERS] = {HTTP_PUBLIC, HTTP_ADMIN, HTTP_METRICS};
    unsigned connections = 0;
    enum status status = serve_connections(s, &connections, err);
    for (int i = 0; i < LISTENERS && status == STATUS_OK; i++) {
        struct http_listener_options options = {
            .role = roles[i],
            .address = addresses[i],
            .bound = server->bound[i],
            .connections_max = roles[i] == HTTP_PUBLIC ? connections : SIDE_CONNECTIONS,
            .header_ms_max = (unsigned)s->header_ms,
            .body_ms_max = (unsigned)s->body_ms,
            .answer_ms_max = (unsigned)s->answer_ms,
            .header_bytes_max = (size_t)s->header_bytes,
            .tls = i == METRICS && !s->metrics_tls ? NULL : server->tls,
            .ask_client = i == ADMIN && s->admin_client_ca,
        };
        server->bound[i] = 0;
        if (roles[i] == HTTP_PUBLIC)
            options.addresses = address_options(server, s);
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

/* What the thread has begun is left as by a kill, which it is made for; the record, which is not,
 * is written to its end. */
static void leave_behind(struct server *server, const char *thread) {
    log_event(LOG_WARN, "thread_left_behind", LOG_STR("thread", thread),
              LOG_STR("meaning", "it has waited for a disk for too long; the program ends"));
    audit_close(server->service);
    _exit(EXIT_DONE);
}

/* A disk that hangs keeps its thread for ever, and a large version that is being loaded for long.
 */
static void end_threads(struct server *server) {
    uint64_t until_us = clock_monotonic_us() + END_MS * UINT64_C(1000);
    const char *late = service_end_by(server->service, until_us);
    if (!late && !reload_end_by(server->tls_reload, until_us))
        late = "certificate";
    if (late)
        leave_behind(server, late);
}

/* Only operators' requests are left, and those wait for the disk thread, for ever where that
 * hangs. */
static void on_side_waits(uv_timer_t *timer) {
    struct server *server = timer->data;
    const struct service *service = server->service;
    if (pool_hangs(service->disk, service->options.hang_ms * UINT64_C(1000)))
        leave_behind(server, "disk");
}

static void side_drained(void *context) {
    struct server *server = context;
    if (--server->side_listeners == 0)
        has_ended(server);
}

static void public_drained(void *context) {
    struct server *server = context;
    for (int i = PUBLIC + 1; i < LISTENERS; i++)
        server->side_listeners += server->listeners[i] != NULL;
    if (server->side_listeners == 0)
        has_ended(server);
    uv_timer_start(&server->delay, on_side_waits, END_MS, END_MS);
    for (int i = PUBLIC + 1; i < LISTENERS; i++)
        if (server->listeners[i])
            http_listener_drain(server->listeners[i], side_drained, server);
}

static void drain(struct server *server) {
    service_drain(server->service);
    if (server->listeners[PUBLIC])
        http_listener_drain(server->listeners[PUBLIC], public_drained, server);
    else
        public_drained(server);
}

static void on_delay_over(uv_timer_t *timer) { drain(timer->data); }

/* The next one ends the program whatever the loop does, or does no more. */
static void on_signal(uv_signal_t *handle, int number) {
    struct server *server = handle->data;
    if (server->leaving) /* it came together with the first */
        _exit(128 + number);
    server->leaving = true;
    serve_signals_end_at_once();
    log_event(LOG_INFO, "draining", LOG_INT("signal", number),
              LOG_INT("delay_ms", server->drain_delay_ms));
    notify_say(&server->notify, "STOPPING=1");
    service_leave(server->service);
    server->waits = 1;
    if (server->service->supervisor) { /* it has the delay to end in */
        server->waits++;
        supervisor_drain(server->service->supervisor, has_ended, server);
    }
    for (int i = 0; i < LISTENERS; i++)
        if (server->listeners[i])
            http_listener_farewell(server->listeners[i]);
    if (server->drain_delay_ms == 0)
        drain(server);
    else
        uv_timer_start(&server->delay, on_delay_over, server->drain_delay_ms, 0);
}

/* What is joined behind the loop may take its time: a record written to a pipe that nobody reads.
 * To stop libuv's handles gives the signals back to the kernel. */
static void let_signals_end_it(struct server *server) {
    uv_signal_stop(&server->terminate);
    uv_signal_stop(&server->interrupt);
    serve_signals_end_at_once();
}

static void on_hang_up(uv_signal_t *handle, int number) {
    (void)number;
    struct server *server = handle->data;
    authorize_reload(server->service);
    reload_ask(server->tls_reload);
}

/* Systemd starts the program anew once this no longer comes. */
static void on_watchdog(uv_timer_t *timer) {
    const struct server *server = timer->data;
    struct error cause;
    if (!health_hangs(server->service, &cause))
        notify_say(&server->notify, "WATCHDOG=1");
}

static void watch_signals(struct server *server) {
    server->terminate.data = server->interrupt.data = server->hang_up.data = server;
    uv_signal_init(loop_uv(server->loop), &server->terminate);
    uv_signal_init(loop_uv(server->loop), &server->interrupt);
    uv_signal_init(loop_uv(server->loop), &server->hang_up);
    server->delay.data = server;
    uv_timer_init(loop_uv(server->loop), &server->delay);
    server->watchdog.data = server;
    uv_timer_init(loop_uv(server->loop), &server->watchdog);
    if (server->notify.watchdog_ms > 0)
        uv_timer_start(&server->watchdog, on_watchdog, 0, server->notify.watchdog_ms);
    uv_signal_start(&server->terminate, on_signal, SIGTERM);
    uv_signal_start(&server->interrupt, on_signal, SIGINT);
    uv_signal_start(&server->hang_up, on_hang_up, SIGHUP);
    if (serve_signals_hung_up()) /* what was read before may be what it was sent for */
        on_hang_up(&server->hang_up, SIGHUP);
    server->watching = true;
}

/* ---- the run ---- */

/* What only root may do, and then what nobody may do from here on. */
static enum status give_up(struct server *server, const struct serve_settings *s, const char *data,
                           const char *const addresses[LISTENERS], struct error *err) {
    enum status status = bind_listeners(server, addresses, err);
    background_place_open(&server->place);
    notify_open(&server->notify);
    if (status == STATUS_OK)
        status = serve_give_up(s, err);
    if (status != STATUS_OK)
        return status;
    server->keeps_store = serve_may_keep_store(s, data);
    serve_confine(s, data, server->keeps_store, server->keeps_store && !s->no_trainer);
    return STATUS_OK;
}

static enum status start(struct server *server, const struct serve_settings *s, const char *data,
                         const char *const addresses[LISTENERS], struct error *err) {
    const char *lockout;
    enum status status = serve_find_lockout(s, data, server->keeps_store, &lockout, err);
    if (status == STATUS_OK)
        status = serve_tls_read(s, &server->tls, err);
    if (status == STATUS_OK)
        status = network_runtime_open(s->device, (unsigned)s->threads, err);
    if (status == STATUS_OK) {
        network_runtime_overwrite();
        status = trust_modules(&s->trusted_modules, err);
    }
    if (status == STATUS_OK)
        status = loop_create(&server->loop, err);
    if (status == STATUS_OK)
        status = serve_tls_start(s, server->listeners, LISTENERS, server->loop, &server->tls_reload,
                                 err);
    if (status != STATUS_OK)
        return status;
    const struct supervisor_options trainer = serve_trainer_options(s, &server->place);
    const struct service_options options =
        serve_service_options(s, data, server->keeps_store, lockout, &trainer);
    status = service_create(&options, server->loop, &server->service, err);
    if (status != STATUS_OK)
        return status;
    server->application = service_application(server->service);
    server->application.allowed_hosts = s->allowed_hosts.values;
    if (s->allowed_origins.count > 0)
        server->application.allowed_origins = s->allowed_origins.values;
    server->application.guard_hosts = !s->insecure && !s->keys_file;
    watch_signals(server); /* whoever may connect may also find that it is time to end */
    return start_listeners(server, s, addresses, err);
}

static void stop(struct server *server) {
    for (int i = 0; i < LISTENERS; i++) {
        http_listener_stop(server->listeners[i]);
        server->listeners[i] = NULL; /* for a reload that still comes back */
        if (server->bound[i] > 0)
            close(server->bound[i]);
    }
    reload_stop(server->tls_reload);
    service_destroy(server->service);
    tls_release(server->tls);
    if (server->watching) {
        uv_close((uv_handle_t *)&server->terminate, NULL);
        uv_close((uv_handle_t *)&server->interrupt, NULL);
        uv_close((uv_handle_t *)&server->hang_up, NULL);
        uv_close((uv_handle_t *)&server->delay, NULL);
        uv_close((uv_handle_t *)&server->watchdog, NULL);
    }
    loop_destroy(server->loop);
    if (server->place.fd >= 0)
        close(server->place.fd);
    notify_close(&server->notify);
}

/* Whatever is as large as a photograph or a pair's chips comes from mmap and goes back to the
 * kernel at once, or to server/spare.h: on the heap, blocks of all sizes would leave holes that
 * grow for hours. (glibc raises its own threshold with each large block that is freed, and gives
 * each thread an arena.) */
static void settle_memory(void) {
    enum { KIB = 1024 };
    mallopt(M_MMAP_THRESHOLD, SPARE_BLOCK_MIN);
    mallopt(M_TRIM_THRESHOLD, 4096 * KIB);
    mallopt(M_ARENA_MAX, 4);
    json_use_our_memory();
    tls_wipe_freed();
}

static int serve(const struct serve_settings *s) {
    const char *admin = s->role == SERVE_SERVE ? "off" : s->admin_listen;
    const char *const addresses[LISTENERS] = {s->listen, admin, s->metrics_listen};
    struct server server = {.place.fd = -1, .drain_delay_ms = (uint64_t)(s->drain_delay_s * 1000)};
    struct error err;
    char data[DATA_PATH_MAX];
    serve_signals_begin();
    enum status status = check_addresses(addresses, s, &err);
    if (status == STATUS_OK)
        status = read_proxies(&server, &s->trusted_proxies, &err);
    if (status == STATUS_OK)
        status = data_directory_find(s->data, data, &err);
    if (status == STATUS_OK)
        status = give_up(&server, s, data, addresses, &err);
    if (status == STATUS_OK)
        status = start(&server, s, data, addresses, &err);
    if (status == STATUS_OK) {
        log_ready(&server, addresses);
        notify_say(&server.notify, "READY=1");
        loop_run(server.loop);
        let_signals_end_it(&server);
        log_event(LOG_INFO, "stopped", LOG_BOOL("drained", true));
        end_threads(&server);
    }
    stop(&server);
    return status == STATUS_OK ? EXIT_DONE : cli_failed("serve", err.detail);
}

int cli_serve(int argc, char **argv) {
    struct serve_settings settings = serve_settings_default();
    int code;
    if (serve_settings_parse(&settings, argc, argv, &code)) {
        signal(SIGPIPE, SIG_IGN);
        settle_memory();
        code = serve(&settings);
    }
    option_list_release(&settings.allowed_hosts);
    option_list_release(&settings.allowed_origins);
    option_list_release(&settings.trusted_modules);
    option_list_release(&settings.also_load);
    option_list_release(&settings.trusted_proxies);
    return code;
}
