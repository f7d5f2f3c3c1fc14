/* The options of `facepair serve`. */
#ifndef FACEPAIR_CLI_SERVE_SETTINGS_H
#define FACEPAIR_CLI_SERVE_SETTINGS_H

#include "cli/options.h"

/* What of it this process does: all; nothing but answering, with neither store nor admin listener;
 * or all, as the one instance of a fleet that keeps the store. */
enum serve_role { SERVE_ALL, SERVE_SERVE, SERVE_CONTROL };

/* Whether refusals of subjects are counted. */
enum serve_lockout { LOCKOUT_ON, LOCKOUT_OFF };

struct serve_settings {
    const char *listen, *admin_listen, *metrics_listen;
    const char *data, *model, *device;
    const char *user;
    const char *keys_file, *token_key_file, *audit;
    const char *tls_certificate, *tls_key, *admin_client_ca;
    bool metrics_tls;
    bool insecure, allow_raw_embeddings, no_trainer, core_dumps, no_sandbox;
    unsigned log_level, role; /* enum serve_role */
    unsigned lockout;         /* enum serve_lockout */
    const char *lockout_data;
    double default_max_fmr, drain_delay_s, hang_s;
    int64_t lockout_refusals, lockout_seconds, lockout_limit, lockout_days;
    int64_t threads, prepare_threads;
    int64_t connections, timeout_ms, header_bytes, header_ms, body_ms, answer_ms;
    int64_t image_bytes, image_pixels, multipart_bytes, json_bytes, bodies_bytes;
    int64_t prepare_queue, embed_queue, queue_ms, token_lifetime;
    int64_t audit_bytes;
    int64_t models_memory; /* 0: half the memory granted */
    int64_t dataset_bytes, dataset_members, job_days;
    int64_t trainer_threads, trainer_memory, lease_ms;
    int64_t address_connections;
    double address_rate, address_burst;
    struct option_list allowed_hosts, allowed_origins, trusted_modules, also_load, trusted_proxies;
};

struct serve_settings serve_settings_default(void);
/* True: serve, with the log's level set. False: leave with *code. Either way the lists are the
 * caller's to release. */
bool serve_settings_parse(struct serve_settings *settings, int argc, char **argv, int *code);

#endif
