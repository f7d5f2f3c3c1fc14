/* The checks thread: data sets that are validating, one after the other. Its lease is renewed
 * between photographs, so a photograph that never ends loses it, and after as many attempts as a
 * job has the data set is rejected. */
#include "model/trainer/inside.h"

#include "model/dataset_check.h"
#include "model/file.h"
#include "model/store/datasets.h"
#include "server/clock.h"
#include "server/log.h"

#include <limits.h>
#include <stdio.h>

struct check {
    struct trainer *trainer;
    struct store *store;
    struct store_claim claim;
    uint64_t renewed_us;
    bool lost;
};

static bool go_on(void *context, size_t done, size_t images) {
    (void)done, (void)images;
    struct check *check = context;
    uint64_t lease_ms = check->trainer->options->lease_ms, now_us = clock_monotonic_us();
    if (watch_is_ending(check->trainer->watch))
        return false;
    if (now_us - check->renewed_us < lease_ms * UINT64_C(1000) / 3)
        return true;
    check->renewed_us = now_us;
    check->lost =
        store_dataset_renew(check->store, &check->claim, lease_ms, NULL) == STATUS_WRONG_STATE;
    return !check->lost;
}

static struct store_dataset outcome_of(const struct dataset_check_result *result) {
    struct store_dataset outcome = {.state = result->usable ? DATASET_READY : DATASET_REJECTED,
                                    .people = result->people,
                                    .images = result->images,
                                    .undecodable = result->undecodable};
    if (!result->usable) {
        snprintf(outcome.error_code, sizeof outcome.error_code, "%s", result->code);
        snprintf(outcome.error_message, sizeof outcome.error_message, "%s", result->why.detail);
    }
    return outcome;
}

static void told_check(const struct check *check, const char *name, enum dataset_state state) {
    struct json_writer *line = told_open("dataset", "dataset", name);
    if (line)
        json_write_text(line, "status", dataset_state_word(state));
    told_close(check->trainer, line);
}

static void finish(struct check *check, const struct store_dataset *dataset,
                   const struct store_dataset *outcome) {
    struct error err;
    enum status status = store_dataset_checked(check->store, &check->claim, outcome, &err);
    if (status == STATUS_OK)
        told_check(check, dataset->name, outcome->state);
    else
        log_event(LOG_WARN, "store", LOG_STR("cause", err.detail));
}

static void check_one(struct check *check, const struct store_dataset *dataset) {
    const struct trainer_options *options = check->trainer->options;
    const struct dataset_check_hooks hooks = {go_on, check};
    struct dataset_check_result result = {0};
    struct error err;
    char directory[PATH_MAX];
    check->renewed_us = clock_monotonic_us();
    enum status status = file_path(directory, &err, "%s/datasets/%s", options->data, dataset->name);
    if (status == STATUS_OK)
        status = dataset_check(directory, &options->limits, &hooks, &result, &err);
    if (status != STATUS_OK) {
        /* Let go of with its lease: the next attempt may find the file again. */
        log_event(LOG_ERROR, "dataset_check", LOG_STR("dataset", dataset->name),
                  LOG_STR("cause", err.detail));
    } else if (result.stopped) {
        if (!check->lost)
            (void)store_dataset_give_back(check->store, &check->claim, NULL);
    } else {
        const struct store_dataset outcome = outcome_of(&result);
        finish(check, dataset, &outcome);
    }
}

/* True: there was one. */
static bool look(struct check *check) {
    const struct trainer_options *options = check->trainer->options;
    struct store_dataset dataset;
    struct error err;
    bool claimed;
    check->lost = false;
    if (store_dataset_claim(check->store, options->runner, options->lease_ms, &check->claim,
                            &dataset, &claimed, &err) != STATUS_OK) {
        log_event(LOG_WARN, "store", LOG_STR("cause", err.detail));
        return false;
    }
    if (claimed)
        check_one(check, &dataset);
    return claimed;
}

void *trainer_check(void *argument) {
    struct check check = {.trainer = argument};
    const struct store_options store = {.data = check.trainer->options->data};
    struct error err;
    if (store_open(&store, &check.store, &err) != STATUS_OK) {
        log_event(LOG_ERROR, "store", LOG_STR("cause", err.detail));
        watch_end(check.trainer->watch);
        return NULL;
    }
    unsigned seen = 0;
    while (!watch_is_ending(check.trainer->watch))
        if (!look(&check))
            watch_wait(check.trainer->watch, check.trainer->options->idle_ms, &seen);
    store_close(check.store);
    return NULL;
}
