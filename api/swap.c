#include "api/swap.h"

#include "server/log.h"

#include <string.h>

void swap_describe(struct service *service, const char *name) {
    if (name)
        metrics_remove(service->metrics, METRIC_MODEL_INFO, 1, name);
    for (size_t i = 0; i < registry_count(service->registry); i++) {
        const struct model_version *version = registry_at(service->registry, i);
        if (!name || strcmp(version->card.name, name) == 0)
            metrics_set(service->metrics, METRIC_MODEL_INFO, 1, version->card.name,
                        version->card.version, version->active ? "true" : "false",
                        service->options.device);
    }
}

void swap_forget_version(struct metrics *metrics, const struct card *card) {
    metrics_remove(metrics, METRIC_VERIFICATIONS, 2, card->name, card->version);
    metrics_remove(metrics, METRIC_DISTANCE, 2, card->name, card->version);
}

void swap_forget_model(struct metrics *metrics, const struct card *card) {
    metrics_remove(metrics, METRIC_BATCH_SIZE, 1, card->name);
}

static void tell(const struct keeper_change *change, const char *request_id) {
    bool activated = change->kind == KEEPER_ACTIVATE;
    log_event(LOG_INFO, activated ? "model_promoted" : "model_withdrawn",
              LOG_STR("model", change->name), LOG_STR("by", request_id ? "request" : "disk"),
              LOG_STR("request_id", request_id),
              LOG_STR("from", change->from[0] ? change->from : NULL),
              LOG_STR("to", activated ? change->to : NULL));
}

void swap_apply(struct service *service, struct keeper_change *change, const char *request_id) {
    if (change->kind == KEEPER_NOTHING)
        return;
    keeper_apply(service->registry, change);
    swap_describe(service, change->name);
    tell(change, request_id);
}
