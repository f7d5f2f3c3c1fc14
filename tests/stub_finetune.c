/* model/finetune's symbols without a network: for tests of what stands around a run. It takes ten
 * steps an epoch, each of batch_size milliseconds, and its losses follow from the seed and the
 * steps taken, so that a run that was interrupted must end with the same ones. It publishes a copy
 * of the base version.
 *
 * learning_rate 0.5: each step takes three seconds and nobody is asked meanwhile. 0.25: a step
 * takes 300 MB more memory. epochs 666: it fails.
 */
#include "model/catalog.h"
#include "model/file.h"
#include "model/finetune/finetune.h"
#include "model/import/version.h"
#include "model/random.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { STEPS = 10, DEAF_MS = 3000, MEMORY_BYTES = 300 * 1000 * 1000, FAILING_EPOCHS = 666 };
enum { JSON_CARD_MAX = 64 * 1024 };

const char *const FINETUNE_PHASE_NAMES[] = {
#define X(name, text) text,
    FINETUNE_PHASES(X)
#undef X
};

/* All that a run needs to go on. */
struct kept {
    struct random_generator random;
    uint32_t epoch, step; /* whole ones behind it */
    double loss;          /* of the epoch under way */
    double train[FINETUNE_EPOCHS_MAX], validation[FINETUNE_EPOCHS_MAX];
};

struct stub {
    const struct finetune_place *place;
    const struct finetune_spec *spec;
    const struct finetune_hooks *hooks;
    struct kept kept;
};

static double draw(struct stub *stub) {
    return (double)(random_bits(&stub->kept.random) >> 11) / 9007199254740992.0;
}

static enum status full_or(enum status status, const struct error *err) {
    return strstr(err->detail, "No space") ? STATUS_STORAGE_FULL : status;
}

/* ---- what is kept ---- */

static enum status write_state(const struct stub *stub, struct error *err) {
    char path[PATH_MAX];
    enum status status = file_path(path, err, "%s/checkpoint", stub->place->work);
    if (status == STATUS_OK)
        status = file_write(path, (const char *)&stub->kept, sizeof stub->kept, err);
    if (status != STATUS_OK)
        return full_or(status, err);
    const struct finetune_checkpoint told = {
        .path = path,
        .epoch = stub->kept.epoch,
        .step = stub->kept.epoch * STEPS + stub->kept.step,
        .bytes = sizeof stub->kept,
        .validation_loss =
            stub->kept.epoch > 0 ? stub->kept.validation[stub->kept.epoch - 1] : NAN};
    stub->hooks->on_checkpoint(stub->hooks->context, &told);
    return STATUS_OK;
}

static void read_state(struct stub *stub) {
    char path[PATH_MAX], *bytes;
    size_t size;
    if (file_path(path, NULL, "%s/checkpoint", stub->place->work) != STATUS_OK ||
        file_read(path, sizeof stub->kept, &bytes, &size, NULL) != STATUS_OK)
        return;
    memcpy(&stub->kept, bytes, sizeof stub->kept);
    free(bytes);
}

/* ---- epochs ---- */

static void tell_epoch(const struct stub *stub, uint32_t epoch) {
    struct finetune_epoch told = {.epoch = epoch,
                                  .train_loss = stub->kept.train[epoch - 1],
                                  .validation_loss = stub->kept.validation[epoch - 1],
                                  .best_epoch = 1,
                                  .best_validation_loss = stub->kept.validation[0]};
    for (uint32_t i = 1; i < epoch; i++)
        if (stub->kept.validation[i] < told.best_validation_loss) {
            told.best_epoch = i + 1;
            told.best_validation_loss = stub->kept.validation[i];
        }
    stub->hooks->on_epoch(stub->hooks->context, &told);
}

static void rest(const struct finetune_hyperparameters *parameters) {
    unsigned ms = parameters->learning_rate == 0.5 ? DEAF_MS : parameters->batch_size;
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

static enum status take_memory(const struct stub *stub, struct error *err) {
    if (stub->spec->hyperparameters.learning_rate != 0.25)
        return STATUS_OK;
    char *memory = malloc(MEMORY_BYTES);
    if (!memory)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    memset(memory, 1, MEMORY_BYTES); /* and it stays taken */
    return STATUS_OK;
}

static enum finetune_wish step(struct stub *stub) {
    const struct finetune_progress told = {.phase = FINETUNE_RUNNING,
                                           .epoch = stub->kept.epoch + 1,
                                           .epochs = stub->spec->hyperparameters.epochs,
                                           .step = stub->kept.epoch * STEPS + stub->kept.step,
                                           .steps = stub->spec->hyperparameters.epochs * STEPS,
                                           .eta_s = 1};
    stub->hooks->on_progress(stub->hooks->context, &told);
    rest(&stub->spec->hyperparameters);
    stub->kept.loss += draw(stub) / STEPS;
    stub->kept.step++;
    return stub->hooks->wish(stub->hooks->context);
}

static enum status end_epoch(struct stub *stub, struct error *err) {
    stub->kept.train[stub->kept.epoch] = stub->kept.loss;
    stub->kept.validation[stub->kept.epoch] = draw(stub);
    stub->kept.loss = 0;
    stub->kept.step = 0;
    stub->kept.epoch++;
    tell_epoch(stub, stub->kept.epoch);
    return write_state(stub, err);
}

static enum status train(struct stub *stub, enum finetune_outcome *outcome, struct error *err) {
    enum status status = STATUS_OK;
    for (uint32_t epoch = 1; epoch <= stub->kept.epoch; epoch++)
        tell_epoch(stub, epoch);
    while (status == STATUS_OK && stub->kept.epoch < stub->spec->hyperparameters.epochs) {
        if (stub->kept.step == STEPS) { /* a pause may have come between it and the epoch's end */
            status = end_epoch(stub, err);
            continue;
        }
        status = take_memory(stub, err);
        enum finetune_wish wish = step(stub);
        if (status == STATUS_OK && wish == FINETUNE_PAUSE)
            status = write_state(stub, err);
        if (wish != FINETUNE_GO_ON) {
            *outcome = wish == FINETUNE_PAUSE ? FINETUNE_PAUSED : FINETUNE_STOPPED;
            return status;
        }
    }
    return status;
}

/* ---- the version ---- */

/* The card of the base version with another number, and the job's name in it. */
static enum status write_card(const struct stub *stub, const struct version_work *work,
                              const char *base, struct error *err) {
    char path[PATH_MAX], *card, text[JSON_CARD_MAX];
    size_t size;
    enum status status = file_path(path, err, "%s/model.json", base);
    if (status == STATUS_OK)
        status = file_read(path, sizeof text, &card, &size, err);
    if (status != STATUS_OK)
        return status;
    char *number = strstr(card, "\"version\": \"");
    char *rest = number ? strchr(number + strlen("\"version\": \""), '"') : NULL;
    const char *job = strrchr(stub->place->work, '/') + 1;
    int length = rest ? snprintf(text, sizeof text, "%.*s\"version\": \"%s\", \"job\": \"%s%s",
                                 (int)(number - card), card, work->number, job, rest)
                      : 0;
    free(card);
    return version_write(work, "model.json", text, (size_t)length, err);
}

static enum status copy_file(const struct version_work *work, const char *base, const char *file,
                             struct error *err) {
    char path[PATH_MAX], *bytes;
    size_t size;
    enum status status = file_path(path, err, "%s/%s", base, file);
    if (status == STATUS_OK)
        status = file_read(path, 64 << 20, &bytes, &size, err);
    if (status != STATUS_OK)
        return status;
    status = version_write(work, file, bytes, size, err);
    free(bytes);
    return status;
}

static enum status base_directory(const struct stub *stub, char path[PATH_MAX], struct error *err) {
    char name[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1];
    if (!catalog_parse(stub->spec->base_model, name, version))
        return error_set(err, STATUS_UNKNOWN_MODEL, "no such base model");
    return catalog_directory(stub->place->data, name, version, path, err);
}

static enum status publish(const struct stub *stub, struct finetune_result *result,
                           struct error *err) {
    struct version_work work;
    char base[PATH_MAX];
    enum status status = base_directory(stub, base, err);
    if (status == STATUS_OK)
        status = version_begin(stub->place->data, stub->spec->name, &work, err);
    if (status != STATUS_OK)
        return status;
    status = write_card(stub, &work, base, err);
    if (status == STATUS_OK)
        status = copy_file(&work, base, "weights.safetensors", err);
    if (status != STATUS_OK) {
        version_abandon(&work);
        return status;
    }
    memcpy(result->version, work.number, sizeof result->version);
    return version_finish(&work, NULL, err);
}

/* A version that this job published before its process died. */
static bool was_published(const struct stub *stub, struct finetune_result *result) {
    struct catalog_versions *versions = malloc(sizeof *versions);
    const char *job = strrchr(stub->place->work, '/') + 1;
    bool found = false;
    if (versions &&
        catalog_versions(stub->place->data, stub->spec->name, versions, NULL) == STATUS_OK)
        for (size_t i = 0; i < versions->count && !found; i++) {
            char path[PATH_MAX], *card;
            size_t size;
            if (file_path(path, NULL, "%s/models/%s/%s/model.json", stub->place->data,
                          stub->spec->name, versions->numbers[i]) != STATUS_OK ||
                file_read(path, JSON_CARD_MAX, &card, &size, NULL) != STATUS_OK)
                continue;
            found = strstr(card, job) != NULL;
            if (found)
                memcpy(result->version, versions->numbers[i], sizeof result->version);
            free(card);
        }
    free(versions);
    return found;
}

/* ---- all of it ---- */

static enum status evaluate_and_publish(struct stub *stub, struct finetune_result *result,
                                        struct error *err) {
    struct finetune_progress told = {.phase = FINETUNE_EVALUATING, .steps = 1, .eta_s = -1};
    const struct finetune_hooks *hooks = stub->hooks;
    hooks->on_progress(hooks->context, &told);
    uint32_t candidates = hooks->candidates(hooks->context, "a digest of people");
    rest(&stub->spec->hyperparameters);
    if (hooks->wish(hooks->context) != FINETUNE_GO_ON) {
        result->outcome = FINETUNE_STOPPED;
        return STATUS_OK;
    }
    told.phase = FINETUNE_PUBLISHING;
    hooks->on_progress(hooks->context, &told);
    enum status status = was_published(stub, result) ? STATUS_OK : publish(stub, result, err);
    if (status != STATUS_OK)
        return full_or(status, err);
    snprintf(result->model, sizeof result->model, "%s", stub->spec->name);
    int length = asprintf(&result->evaluation, "{\"candidates\": %u}", candidates);
    result->evaluation_size = length > 0 ? (size_t)length : 0;
    result->better = true;
    return STATUS_OK;
}

static enum status run(struct stub *stub, struct finetune_result *result, struct error *err) {
    if (mkdir(stub->place->work, 0700) != 0 && errno != EEXIST)
        return error_set(err, errno == ENOSPC ? STATUS_STORAGE_FULL : STATUS_INTERNAL, "%.180s: %s",
                         stub->place->work, strerror(errno));
    stub->kept.random = random_seeded(stub->spec->hyperparameters.seed);
    read_state(stub);
    if (stub->spec->hyperparameters.epochs == FAILING_EPOCHS)
        return error_set(err, STATUS_INTERNAL, "%.200s/cache: made up", stub->place->work);
    enum status status = train(stub, &result->outcome, err);
    if (status != STATUS_OK || result->outcome != FINETUNE_FINISHED)
        return status;
    return evaluate_and_publish(stub, result, err);
}

enum status finetune_run(const struct finetune_place *place, const struct finetune_spec *spec,
                         const struct finetune_hooks *hooks, struct finetune_result *result,
                         struct error *err) {
    *result = (struct finetune_result){.outcome = FINETUNE_FINISHED};
    struct stub *stub = calloc(1, sizeof *stub);
    if (!stub)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    stub->place = place;
    stub->spec = spec;
    stub->hooks = hooks;
    enum status status = run(stub, result, err);
    free(stub);
    return status;
}

void finetune_result_release(struct finetune_result *result) {
    free(result->evaluation);
    *result = (struct finetune_result){0};
}
