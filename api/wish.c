#include "api/wish.h"

#include "model/catalog.h"
#include "model/finetune/spec.h"
#include "model/store/promotions.h"
#include "server/clock.h"
#include "server/log.h"

#include <stdio.h>
#include <string.h>

enum { AGAIN_MS = 60 * 1000 };

void wish_note_promotion(struct service *service, const struct keeper_change *change,
                         const char *job) {
    struct store_promotion promotion = {0};
    struct error err;
    if (!service->store || change->kind != KEEPER_ACTIVATE)
        return;
    snprintf(promotion.model, sizeof promotion.model, "%s", change->name);
    snprintf(promotion.from, sizeof promotion.from, "%s", change->from);
    snprintf(promotion.to, sizeof promotion.to, "%s", change->to);
    snprintf(promotion.job, sizeof promotion.job, "%s", job);
    if (store_promotion_note(service->store, &promotion, &err) != STATUS_OK)
        log_event(LOG_WARN, "promotion_not_noted", LOG_STR("model", change->name),
                  LOG_STR("detail", err.detail));
}

/* The version that the job's was compared with: "NAME@VERSION". */
static bool compared_with(const struct store_job *job, char name[STORE_NAME_SIZE],
                          char version[STORE_VERSION_SIZE]) {
    struct finetune_spec spec;
    struct spec_faults faults = {0};
    return finetune_spec_parse(job->spec, strlen(job->spec), &spec, &faults) &&
           catalog_parse(spec.compare_to[0] ? spec.compare_to : spec.base_model, name, version);
}

/* Why a better version is not to be promoted all the same; false: it is. */
static bool is_overtaken(const struct service *service, const struct store_job *job,
                         char reason[STORE_MESSAGE_SIZE]) {
    char name[STORE_NAME_SIZE] = "", version[STORE_VERSION_SIZE] = "";
    char active[CARD_VERSION_MAX + 1];
    if (catalog_active(service->options.data_directory, job->result.model, active, NULL) !=
        STATUS_OK)
        return false; /* a new model */
    if (strcmp(active, job->result.version) == 0)
        return false; /* by us, before we were killed */
    if (compared_with(job, name, version) && strcmp(name, job->result.model) == 0 &&
        strcmp(version, active) == 0)
        return false;
    snprintf(reason, STORE_MESSAGE_SIZE,
             "It was compared with %.63s@%.20s, but version %.20s is the active one of %.63s.",
             name, version, active, job->result.model);
    return true;
}

static enum promotion_state carry_out(struct service *service, const struct store_job *job,
                                      struct wish *wish, char reason[STORE_MESSAGE_SIZE],
                                      enum status *status) {
    struct error err;
    *status = keeper_promote(service->keeper, job->result.model, job->result.version, &wish->change,
                             &err);
    if (*status != STATUS_OK) {
        snprintf(reason, STORE_MESSAGE_SIZE, "%s", err.detail);
        return PROMOTION_REFUSED;
    }
    wish_note_promotion(service, &wish->change, job->id);
    snprintf(reason, STORE_MESSAGE_SIZE, "It is measurably better.");
    return PROMOTION_CARRIED;
}

static enum status settle(struct service *service, const struct store_job *job, struct wish *wish,
                          struct error *err) {
    char reason[STORE_MESSAGE_SIZE] = "";
    enum promotion_state outcome = PROMOTION_REFUSED;
    enum status status = STATUS_OK;
    if (!job->result.better)
        snprintf(reason, sizeof reason,
                 "It is not measurably better than what it was compared with; result.evaluation "
                 "has the figures.");
    else if (!is_overtaken(service, job, reason))
        outcome = carry_out(service, job, wish, reason, &status);
    if (status == STATUS_INTERNAL || status == STATUS_STORAGE_FULL)
        return error_set(err, status, "%s", reason); /* no fault of the version's */
    log_event(LOG_INFO, "job_promotion", LOG_STR("job", job->id),
              LOG_STR("model", job->result.model), LOG_STR("version", job->result.version),
              LOG_STR("outcome", promotion_state_word(outcome)), LOG_STR("reason", reason));
    return store_wish_settle(service->store, job->id, outcome, reason, err);
}

void wish_look(struct service *service, struct wish *wish) {
    struct store_job job;
    struct error err;
    bool found = false;
    uint64_t now_ms = clock_monotonic_us() / 1000;
    wish->change.kind = KEEPER_NOTHING;
    if (now_ms < wish->again_ms)
        return;
    enum status status = store_wish_next(service->store, &job, &found, &err);
    if (status == STATUS_OK && found) {
        status = settle(service, &job, wish, &err);
        store_job_release(&job);
    }
    if (status == STATUS_OK)
        return;
    wish->again_ms = now_ms + AGAIN_MS;
    log_event(LOG_WARN, "job_promotion_failed", LOG_STR("detail", err.detail));
}
