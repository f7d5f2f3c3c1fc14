#include "api/audit.h"

#include "server/clock.h"
#include "server/journal.h"
#include "server/log.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { SUBJECT_HASH_BYTES = 16 };

enum status audit_open(struct service *service, struct error *err) {
    const struct service_options *options = &service->options;
    return options->audit
               ? journal_open(options->audit, options->audit_bytes_max, &service->journal, err)
               : STATUS_OK;
}

void audit_close(struct service *service) { journal_close(service->journal); }

bool audit_ready(const struct service *service) {
    return !service->journal || journal_ready(service->journal);
}

static struct json_writer *begin(const struct http_request *request, const char *event) {
    char time[CLOCK_TEXT_SIZE];
    const char *key = http_request_caller(request);
    struct json_writer *json = json_writer_create_compact();
    if (!json)
        return NULL;
    clock_wall_text(time);
    json_write_object(json, NULL);
    json_write_text(json, "time", time);
    json_write_text(json, "event", event);
    json_write_text(json, "request_id", http_request_id(request));
    if (key[0])
        json_write_text(json, "key", key);
    else
        json_write_null(json, "key");
    if (http_request_certificate(request)[0])
        json_write_text(json, "certificate", http_request_certificate(request));
    return json;
}

static bool end(struct service *service, struct json_writer *json) {
    size_t size = 0;
    json_write_end(json);
    char *text = json_writer_finish(json, &size);
    bool taken = text && journal_append(service->journal, text, size);
    free(text);
    return taken;
}

/* The hash is keyed by a key made of the one that seals tokens, so that neither can be told from
 * the other, and cut to 128 bits: enough to tell subjects apart. */
static void write_subject(struct json_writer *json, const struct service *service,
                          const char *subject, size_t size) {
    static const unsigned char purpose[] = "facepair audit subject";
    unsigned char key[crypto_generichash_KEYBYTES], hash[SUBJECT_HASH_BYTES];
    char text[2 * SUBJECT_HASH_BYTES + 1];
    const struct token_key *sealing = token_keys_at(service->token_keys, 0);
    crypto_generichash(key, sizeof key, purpose, sizeof purpose - 1, sealing->bytes,
                       sizeof sealing->bytes);
    crypto_generichash(hash, sizeof hash, (const unsigned char *)subject, size, key, sizeof key);
    sodium_memzero(key, sizeof key);
    json_write_text(json, "subject", sodium_bin2hex(text, sizeof text, hash, sizeof hash));
}

bool audit_decision(const struct work *work, const struct verdict *verdict) {
    struct service *service = work->service;
    const struct decision *decision = &verdict->decision;
    if (!service->journal)
        return true;
    struct json_writer *json = begin(work->request, "decision");
    if (!json)
        return false;
    json_write_text(json, "route", http_request_endpoint(work->request)->route);
    json_write_text(json, "model", work->version->card.name);
    json_write_text(json, "version", work->version->card.version);
    bool by_threshold = decision->rule == DECISION_THRESHOLD;
    json_write_text(json, "rule", by_threshold ? "threshold" : "max_fmr");
    if (!by_threshold)
        json_write_short(json, "max_fmr", decision->max_fmr);
    json_write_short(json, "threshold", decision->threshold);
    json_write_float(json, "distance", (float)verdict->distance);
    json_write_bool(json, "verified", verdict->verified);
    const struct request_options *options = &work->body.options;
    if (options->given[OPTION_SUBJECT])
        write_subject(json, service, options->subject, options->subject_size);
    else
        json_write_null(json, "subject");
    return end(service, json);
}

/* What an operator did is done by now: that its line is lost is told by the log alone. */
static void tell_lost(const struct http_request *request) {
    log_event(LOG_ERROR, "audit_lost", LOG_STR("request_id", http_request_id(request)));
}

static void end_change(struct service *service, struct json_writer *json,
                       const struct http_request *request) {
    if (!end(service, json))
        tell_lost(request);
}

static bool is_printable(const char *text) {
    for (; *text; text++)
        if (*text <= 0x20 || *text >= 0x7f)
            return false;
    return true;
}

/* Whoever may ask for nothing, and is not known, would fill a disk with refusals: those are in the
 * log alone. */
static bool is_operators(const struct http_request *request) {
    const struct http_endpoint *endpoint = http_request_endpoint(request);
    return endpoint && endpoint->listeners == HTTP_ADMIN && strcmp(endpoint->method, "GET") != 0 &&
           (http_request_authorized(request) || http_request_caller(request)[0] ||
            http_request_certificate(request)[0]);
}

void audit_answered(const struct http_request *request, unsigned status) {
    struct service *service = http_request_application(request)->context;
    const struct http_endpoint *endpoint = http_request_endpoint(request);
    if (!service->journal || !is_operators(request))
        return;
    struct json_writer *json = begin(request, "admin");
    if (!json) {
        tell_lost(request);
        return;
    }
    json_write_text(json, "method", endpoint->method);
    json_write_text(json, "route", endpoint->route);
    const char *parameter = http_request_parameter(request);
    if (parameter && is_printable(parameter))
        json_write_text(json, "parameter", parameter);
    json_write_integer(json, "status", status);
    end_change(service, json, request);
}

void audit_lifted(const struct http_request *request, const char *subject, size_t size,
                  unsigned refusals) {
    struct service *service = http_request_application(request)->context;
    if (!service->journal)
        return;
    struct json_writer *json = begin(request, "subject_lifted");
    if (!json) {
        tell_lost(request);
        return;
    }
    write_subject(json, service, subject, size);
    json_write_integer(json, "refusals", refusals);
    end_change(service, json, request);
}
