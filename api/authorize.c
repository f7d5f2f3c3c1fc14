#include "api/authorize.h"

#include "api/keys.h"
#include "api/reload.h"
#include "api/scopes.h"
#include "server/clock.h"
#include "server/log.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- a request ---- */

/* What the caller sent as a key; NULL: nothing. */
static const char *sent_key(const struct http_request *request) {
    static const char scheme[] = "Bearer ";
    const char *value = http_request_header(request, "Authorization");
    if (!value)
        return http_request_header(request, "X-Api-Key");
    if (strncasecmp(value, scheme, sizeof scheme - 1) != 0)
        return "";
    value += sizeof scheme - 1;
    return value + strspn(value, " ");
}

static const char *missing_scope(unsigned wanted, unsigned had) {
    for (unsigned place = 0; place < SCOPES_COUNT; place++)
        if ((wanted & ~had) & (1u << place))
            return scope_text((enum scope_place)place);
    return NULL;
}

static enum status admit_key(struct http_request *request, struct key *key, unsigned wanted,
                             struct error *err) {
    const char *missing = missing_scope(wanted, key->scopes);
    if (missing)
        return error_set(err, STATUS_INSUFFICIENT_SCOPE, "The key lacks the scope %s.", missing);
    unsigned wait_s;
    if (!rate_bucket_take(&key->bucket, &key->limit, clock_monotonic_us(), &wait_s)) {
        http_request_set_retry_after(request, wait_s);
        return error_set(err, STATUS_RATE_LIMITED,
                         "The key's limit of %g requests a second is reached; try again after "
                         "Retry-After seconds.",
                         key->limit.per_s);
    }
    return STATUS_OK;
}

enum status authorize(struct http_request *request, struct error *err) {
    struct service *service = http_request_application(request)->context;
    unsigned wanted = http_request_endpoint(request)->rights;
    if (!service->keys || wanted == 0 || http_request_listener_role(request) == HTTP_METRICS)
        return STATUS_OK;
    const char *text = sent_key(request);
    if (!text)
        return error_set(err, STATUS_UNAUTHORIZED,
                         "This needs a key: send Authorization: Bearer fp_… with the scope %s.",
                         missing_scope(wanted, 0));
    struct key *key = keys_find(service->keys, text);
    if (!key)
        return error_set(err, STATUS_UNAUTHORIZED, "The key is not known here, or was revoked.");
    http_request_set_caller(request, key->id, key->scopes);
    return admit_key(request, key, wanted, err);
}

bool authorize_still(const struct http_request *request) {
    struct service *service = http_request_application(request)->context;
    const char *text = service->keys ? sent_key(request) : NULL;
    const struct key *key = text ? keys_find(service->keys, text) : NULL;
    unsigned wanted = http_request_endpoint(request)->rights;
    return !service->keys || wanted == 0 || (key && !missing_scope(wanted, key->scopes));
}

bool authorize_has(const struct http_request *request, unsigned scopes) {
    const struct service *service = http_request_application(request)->context;
    return !service->keys || !missing_scope(scopes, http_request_rights(request));
}

bool authorize_raw_embeddings(const struct http_request *request) {
    const struct service *service = http_request_application(request)->context;
    return service->keys ? authorize_has(request, SCOPE_EMBED_RAW)
                         : service->options.allow_raw_embeddings;
}

/* ---- the file ---- */

struct keys_reload {
    struct reload reload; /* first: read() and apply() get it */
    struct service *service;
    struct keys *keys;
    enum status status;
    struct error err;
};

static void read_anew(struct reload *reload) {
    struct keys_reload *anew = (struct keys_reload *)reload;
    anew->status = keys_read(reload->file, &anew->keys, &anew->err);
}

static void put_in_force(struct reload *reload) {
    struct keys_reload *anew = (struct keys_reload *)reload;
    struct service *service = anew->service;
    if (anew->status == STATUS_OK) {
        keys_carry_over(anew->keys, service->keys);
        keys_destroy(service->keys);
        service->keys = anew->keys;
        log_event(LOG_INFO, "keys_reloaded", LOG_INT("count", keys_count(service->keys)));
    } else {
        log_event(LOG_ERROR, "keys_not_reloaded", LOG_STR("detail", anew->err.detail));
    }
}

static enum status start_reload(struct service *service, const char *path, struct error *err) {
    struct keys_reload *anew = calloc(1, sizeof *anew);
    if (!anew)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    anew->reload = (struct reload){
        .file = path, .late_event = "keys_reload_waits", .read = read_anew, .apply = put_in_force};
    anew->service = service;
    enum status status = reload_start(&anew->reload, "keys", service->loop, err);
    if (status == STATUS_OK)
        service->keys_reload = &anew->reload;
    else
        free(anew);
    return status;
}

enum status authorize_open(struct service *service, struct error *err) {
    const char *path = service->options.keys_file;
    if (!path)
        return STATUS_OK;
    enum status status = keys_read(path, &service->keys, err);
    return status == STATUS_OK ? start_reload(service, path, err) : status;
}

void authorize_reload(struct service *service) { reload_ask(service->keys_reload); }

void authorize_stop(struct service *service) { reload_stop(service->keys_reload); }

void authorize_close(struct service *service) { keys_destroy(service->keys); }
