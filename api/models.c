#include "api/models.h"

#include "api/model_json.h"
#include "api/problem.h"
#include "api/send.h"
#include "api/service.h"
#include "model/catalog.h"
#include "server/http/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ETAG_SIZE = 128 };

void model_metrics_write(struct json_writer *json, const char *name, const struct card *card) {
    const struct card_metrics *m = &card->metrics;
    if (!m->known) {
        json_write_null(json, name);
        return;
    }
    json_write_object(json, name);
    json_write_text(json, "protocol", m->protocol);
    json_write_integer(json, "pairs", m->pairs);
    json_write_short(json, "accuracy", m->accuracy);
    json_write_short(json, "precision", m->precision);
    json_write_short(json, "recall", m->recall);
    json_write_short(json, "f1", m->f1);
    json_write_short(json, "roc_auc", m->roc_auc);
    json_write_short(json, "eer", m->eer);
    json_write_short(json, "threshold", m->threshold);
    json_write_end(json);
}

/* The same, read back: two lists of its members would come to differ. */
static json_t *metrics_json(const struct card *card) {
    struct json_writer *writer = json_writer_create_compact();
    if (!writer)
        return NULL;
    model_metrics_write(writer, NULL, card);
    size_t size;
    char *text = json_writer_finish(writer, &size);
    json_t *metrics = text ? json_loadb(text, size, JSON_DECODE_ANY, NULL) : NULL;
    free(text);
    return metrics;
}

json_t *model_thresholds_json(const struct card *card) {
    json_t *list = json_array();
    for (size_t i = 0; i < card->thresholds_count; i++) {
        const struct card_threshold *t = &card->thresholds[i];
        json_t *fnmr = t->fnmr_known ? json_real(t->fnmr) : json_null();
        if (json_array_append_new(list, json_pack("{s:f, s:f, s:o}", "fmr", t->fmr, "threshold",
                                                  t->threshold, "fnmr", fnmr)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static bool is_default(struct service *service, const struct model_version *version) {
    struct model_version *chosen;
    if (registry_acquire(service->registry, NULL, &chosen, NULL) != STATUS_OK)
        return false;
    bool same = chosen == version;
    registry_release(service->registry, chosen);
    return same;
}

json_t *model_summary_json(struct service *service, const struct model_version *version) {
    const struct card *card = &version->card;
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:s, s:i, s:s, s:o, s:o}", "object", "model",
                     "name", card->name, "version", card->version, "active", version->active,
                     "default", is_default(service, version), "architecture", card->architecture,
                     "embedding_length", (int)card->embedding_length, "metric", card->distance,
                     "thresholds", model_thresholds_json(card), "metrics", metrics_json(card));
}

/* Looks at each: a part of a summary is written with memory that is not jansson's. */
static json_t *summaries_json(struct service *service) {
    json_t *list = json_array();
    for (size_t i = 0; i < registry_count(service->registry); i++)
        if (json_array_append_new(
                list, model_summary_json(service, registry_at(service->registry, i))) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

void models_list(struct http_request *request) {
    struct service *service = http_request_application(request)->context;
    send_json(request, 200,
              json_pack("{s:s, s:o, s:b}", "object", "list", "data", summaries_json(service),
                        "has_more", 0),
              NULL);
}

bool model_reference_read(const char *segment, char reference[MODEL_REFERENCE_SIZE]) {
    const char *escape = strstr(segment, "%40");
    int size = escape ? snprintf(reference, MODEL_REFERENCE_SIZE, "%.*s@%s",
                                 (int)(escape - segment), segment, escape + 3)
                      : snprintf(reference, MODEL_REFERENCE_SIZE, "%s", segment);
    char name[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1];
    return size > 0 && size < MODEL_REFERENCE_SIZE && catalog_parse(reference, name, version);
}

static bool matches(const char *if_none_match, const char *etag) {
    return if_none_match && (strcmp(if_none_match, "*") == 0 || strstr(if_none_match, etag));
}

/* A version never changes, so its tag is its name, what its weights are, and what is told of it. */
static void write_etag(const struct model_version *version, char etag[ETAG_SIZE]) {
    snprintf(etag, ETAG_SIZE, "\"%s@%s-%.16s-%c%c\"", version->card.name, version->card.version,
             version->card.weights_sha256, version->active ? 'a' : '-',
             version->card.metrics.known ? 'm' : '-');
}

static json_t *card_json(struct service *service, const struct model_version *version) {
    json_t *root = model_summary_json(service, version);
    json_t *card = json_loads(version->card.json, JSON_REJECT_DUPLICATES, NULL);
    if (json_object_set_new(root, "card", card) == 0) /* else it has freed the card */
        return root;
    json_decref(root);
    return NULL;
}

static json_t *measured_json(struct service *service, const struct model_version *version) {
    (void)service;
    const struct card *card = &version->card;
    json_t *evaluation =
        card->evaluation ? json_loads(card->evaluation, JSON_REJECT_DUPLICATES, NULL) : json_null();
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "object", "model.metrics", "name",
                     card->name, "version", card->version, "thresholds",
                     model_thresholds_json(card), "metrics", metrics_json(card), "evaluation",
                     evaluation);
}

/* Replies with what `render` makes of the version in the path. */
static void reply_version(struct http_request *request,
                          json_t *(*render)(struct service *, const struct model_version *)) {
    struct service *service = http_request_application(request)->context;
    char reference[MODEL_REFERENCE_SIZE], etag[ETAG_SIZE];
    struct model_version *version;
    struct error err;
    enum status status = STATUS_OK;
    if (!model_reference_read(http_request_parameter(request), reference))
        status = error_set(&err, STATUS_INVALID_NAME,
                           "A model is NAME or NAME@VERSION; '@' may be written %%40.");
    if (status == STATUS_OK)
        status = registry_acquire(service->registry, reference, &version, &err);
    if (status != STATUS_OK) {
        problem_reply(request, status, &err);
        return;
    }
    write_etag(version, etag);
    const struct http_header headers[] = {
        {"ETag", etag}, {"Cache-Control", "no-cache"}, {NULL, NULL}};
    if (matches(http_request_header(request, "If-None-Match"), etag))
        http_reply_empty(request, 304, headers);
    else
        send_json(request, 200, render(service, version), headers);
    registry_release(service->registry, version);
}

void models_show(struct http_request *request) { reply_version(request, card_json); }

void models_show_metrics(struct http_request *request) { reply_version(request, measured_json); }
