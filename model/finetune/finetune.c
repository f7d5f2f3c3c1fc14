#include "model/finetune/finetune.h"

#include "model/cause.h"
#include "model/digest.h"
#include "model/file.h"
#include "model/finetune/run.h"
#include "model/finetune/training.h"
#include "model/import/publish.h"
#include "model/json.h"
#include "server/clock.h"
#include "server/cpus.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

const char *const FINETUNE_PHASE_NAMES[] = {
#define X(name, text) text,
    FINETUNE_PHASES(X)
#undef X
};

/* ---- what is told ---- */

void run_begin_phase(struct run *run, enum finetune_phase phase) {
    const struct finetune_progress progress = {.phase = phase, .eta_s = -1};
    run->phase = phase;
    run->phase_begun_us = clock_monotonic_us();
    if (run->hooks->on_progress)
        run->hooks->on_progress(run->hooks->context, &progress);
}

void run_log(const struct run *run, const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (run->hooks->on_log)
        run->hooks->on_log(run->hooks->context, text);
}

static void photographs_done(void *context, size_t done, size_t total) {
    const struct run *run = context;
    const struct finetune_hooks *hooks = run->hooks;
    double elapsed_s = (double)(clock_monotonic_us() - run->phase_begun_us) / 1e6;
    const struct finetune_progress progress = {.phase = run->phase,
                                               .step = done,
                                               .steps = total,
                                               .eta_s = elapsed_s / (double)done *
                                                        (double)(total - done)};
    if (hooks->on_progress)
        hooks->on_progress(hooks->context, &progress);
}

static bool goes_on(void *context) {
    struct run *run = context;
    const struct finetune_hooks *hooks = run->hooks;
    run->wish = hooks->wish ? hooks->wish(hooks->context) : FINETUNE_GO_ON;
    return run->wish == FINETUNE_GO_ON;
}

struct go_on run_go_on(struct run *run) {
    return (struct go_on){goes_on, run};
}

struct crew run_crew(struct run *run) {
    return (struct crew){run->threads, run_go_on(run)};
}

struct photographs_options run_photographs(struct run *run) {
    static const enum face_choice FACES[] = {[FINETUNE_FACE_LARGEST] = FACE_LARGEST,
                                             [FINETUNE_FACE_ONLY] = FACE_ONLY,
                                             [FINETUNE_FACE_CENTRE] = FACE_CENTRE};
    run->phase_begun_us = clock_monotonic_us();
    return (struct photographs_options){.data = run->place->data,
                                        .directory = run->place->dataset,
                                        .threads = run->threads,
                                        .face = FACES[run->spec->face],
                                        .no_face = PREPARE_REJECT,
                                        .progress = photographs_done,
                                        .context = run,
                                        .go_on = run_go_on(run)};
}

/* ---- opening ---- */

/* The run's id, drawn once and kept in the work directory. */
static enum status read_id(struct run *run, struct error *err) {
    char path[PATH_MAX], *text;
    unsigned char bytes[16];
    size_t size;
    enum status status = file_path(path, err, "%s/run", run->place->work);
    if (status != STATUS_OK)
        return status;
    if (access(path, F_OK) == 0) {
        status = file_read(path, sizeof(run->id) - 1, &text, &size, err);
        if (status == STATUS_OK) {
            snprintf(run->id, sizeof(run->id), "%s", text);
            free(text);
        }
        return status;
    }
    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        return error_set(err, STATUS_INTERNAL, "no random bytes: %.60s", strerror(errno));
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(run->id + 2 * i, 3, "%02x", bytes[i]);
    return file_write(path, run->id, strlen(run->id), err);
}

static enum status open_sources(struct run *run, struct error *err) {
    const struct finetune_spec *spec = run->spec;
    enum status status = source_open(run->place->data, spec->base_model, &run->base, err);
    if (status == STATUS_OK && strcmp(run->base.version->card.architecture, "torchscript") == 0)
        return error_set(err, STATUS_NOT_TRAINABLE,
                         "A torchscript module is a program of its own: it can only be used as it "
                         "is.");
    if (status == STATUS_OK && spec->compare_to[0] &&
        strcmp(spec->compare_to, spec->base_model) != 0)
        status = source_open(run->place->data, spec->compare_to, &run->compared, err);
    return status;
}

static enum status read_data(struct run *run, struct error *err) {
    const char *learned[2 * SOURCE_LEARNED + 1];
    size_t count = 0;
    for (int i = 0; i < SOURCE_LEARNED; i++) {
        if (run->base.learned[i])
            learned[count++] = run->base.learned[i];
        if (run->compared.learned[i])
            learned[count++] = run->compared.learned[i];
    }
    learned[count] = NULL;
    enum status status = album_read(run->place->dataset, &run->album, err);
    if (status == STATUS_OK)
        status = parts_read(&run->album, run->spec,
                            run->place->lists ? run->place->lists : run->place->dataset, learned,
                            &run->parts, err);
    return status;
}

/* ---- training ---- */

static uint32_t identities_of(const struct run *run) {
    uint32_t count = 0;
    for (uint32_t person = 0; person < run->album.people; person++)
        count += run->parts.of[person] == PART_TRAINING;
    return count;
}

static enum status begin_training(struct run *run, struct network_train **train,
                                  struct error *err) {
    static const enum network_train_loss LOSSES[] = {
        [FINETUNE_CONTRASTIVE] = NETWORK_TRAIN_CONTRASTIVE,
        [FINETUNE_COSFACE] = NETWORK_TRAIN_COSFACE,
        [FINETUNE_ARCFACE] = NETWORK_TRAIN_ARCFACE,
    };
    const struct finetune_hyperparameters *p = &run->spec->hyperparameters;
    struct network_train_options options = NETWORK_TRAIN_OPTIONS_DEFAULT;
    options.trainable = p->trainable;
    options.loss = LOSSES[p->loss];
    options.margin = p->margin;
    options.scale = p->scale;
    options.average = p->average;
    options.blend = p->blend;
    options.seed = p->seed;
    options.learning_rate = p->learning_rate;
    options.identities = identities_of(run);
    options.go_on = run_go_on(run);
    return network_train_begin(&run->base.version->card, run->base.weights, &options, train, err);
}

static void add_path(struct digest *digest, const struct run *run, uint32_t image) {
    const char *path = run->album.paths[image];
    digest_add(digest, path, strlen(path) + 1);
}

/* The pairs of a file, in their order; nothing of those that are drawn. */
static void write_pairs(struct json_writer *json, const char *name, const struct run *run,
                        const struct parts_pairs *pairs, struct digest *digest) {
    char sha256[DIGEST_TEXT_SIZE];
    if (!pairs->list)
        return;
    digest_begin(digest);
    for (size_t i = 0; i < pairs->count; i++) {
        add_path(digest, run, pairs->list[i].a);
        add_path(digest, run, pairs->list[i].b);
        digest_add(digest, pairs->list[i].same ? "1" : "0", 1);
    }
    digest_end(digest, sha256);
    json_write_text(json, name, sha256);
}

/* What a checkpoint is of: what changes any number of the curve. */
static enum status make_key(const struct run *run, char key[DIGEST_TEXT_SIZE], struct error *err) {
    struct finetune_hyperparameters p = run->spec->hyperparameters;
    struct digest *digest = digest_create();
    struct json_writer *json = digest ? json_writer_create_compact() : NULL;
    size_t size;
    p.epochs = 0; /* more of them only go on */
    p.cache_bytes_max = 0;
    if (json) {
        json_write_object(json, NULL);
        finetune_spec_write_hyperparameters(json, &p);
        json_write_text(json, "face", FINETUNE_FACES[run->spec->face]);
        json_write_text(json, "base", run->base.version->card.weights_sha256);
        json_write_array(json, "images");
        for (uint32_t image = 0; image < run->album.images; image++) {
            enum part part = run->parts.of[run->album.person_of[image]];
            if (run->parts.listed[image] && (part == PART_TRAINING || part == PART_VALIDATION))
                json_write_text(json, NULL, run->album.paths[image]);
        }
        json_write_end(json);
        write_pairs(json, "training_pairs", run, &run->parts.training, digest);
        write_pairs(json, "validation_pairs", run, &run->parts.validation, digest);
        json_write_end(json);
    }
    digest_destroy(digest);
    char *text = json ? json_writer_finish(json, &size) : NULL;
    if (!text)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    digest_bytes(text, size, key);
    free(text);
    return STATUS_OK;
}

static enum status fill_views(struct run *run, struct network_train *train, struct views *views,
                              struct error *err) {
    const struct finetune_hyperparameters *p = &run->spec->hyperparameters;
    const struct views_options options = {
        .album = &run->album,
        .parts = &run->parts,
        .parameters = p,
        .input = &run->base.version->card.input,
        .limits = {p->cache_bytes_max, run->spec->disk_bytes_max, run->place->work},
        .photographs = run_photographs(run)};
    enum status status = views_fill(&options, train, views, err);
    if (status != STATUS_OK)
        return status;
    for (uint32_t image = 0; image < run->album.images; image++)
        run->learned_images += views->usable[image];
    run->left_out = views->left_out;
    run_log(run, "%u photographs to learn from, %u without a face; %llu bytes of rows%s",
            run->learned_images, run->left_out, (unsigned long long)views->rows.bytes,
            views->rows.on_disk ? " on disk" : "");
    return STATUS_OK;
}

/* From the photographs to the best weights, at `weights`. */
static enum status train_on(struct run *run, struct network_train *train, const char *weights,
                            enum finetune_outcome *outcome, struct error *err) {
    char key[DIGEST_TEXT_SIZE];
    struct views views = {.first = NULL};
    enum status status = make_key(run, key, err);
    if (status == STATUS_OK)
        status = fill_views(run, train, &views, err);
    if (status == STATUS_OK) {
        const struct training_options options = {
            .spec = run->spec,
            .hooks = run->hooks,
            .work = run->place->work,
            .resume = run->place->resume,
            .album = &run->album,
            .parts = &run->parts,
            .views = &views,
            .length = run->base.version->card.embedding.network_length,
            .identities = identities_of(run),
            .key = key};
        run_begin_phase(run, FINETUNE_RUNNING);
        status = training_run(&options, train, run->course, outcome, err);
    }
    views_release(&views);
    unlink(weights); /* of a process that died */
    return status == STATUS_OK && *outcome == FINETUNE_FINISHED
               ? network_train_save(train, weights, err)
               : status;
}

/* ---- the whole ---- */

static enum status run_phases(struct run *run, struct finetune_result *result, struct error *err) {
    char weights[PATH_MAX];
    struct network_train *train = NULL;
    enum status status = file_path(weights, err, "%s/best.safetensors", run->place->work);
    if (status == STATUS_OK)
        status = begin_training(run, &train, err);
    if (status == STATUS_OK)
        status = train_on(run, train, weights, &result->outcome, err);
    network_train_end(train);
    if (status != STATUS_OK || result->outcome != FINETUNE_FINISHED)
        return status;
    run_begin_phase(run, FINETUNE_EVALUATING);
    status = run_publish(run, weights, result, err);
    unlink(weights);
    return status;
}

static enum status run_it(struct run *run, struct finetune_result *result, struct error *err) {
    enum status status = publish_make_directory(run->place->work, err);
    if (status == STATUS_OK)
        status = read_id(run, err);
    result->outcome = FINETUNE_STOPPED;
    if (status == STATUS_OK)
        status = run_find_published(run, result, err);
    if (status != STATUS_OK || result->outcome == FINETUNE_FINISHED)
        return status;
    run_begin_phase(run, FINETUNE_PREPARING);
    status = open_sources(run, err);
    if (status == STATUS_OK)
        status = read_data(run, err);
    return status == STATUS_OK ? run_phases(run, result, err) : status;
}

enum status finetune_run(const struct finetune_place *place, const struct finetune_spec *spec,
                         const struct finetune_hooks *hooks, struct finetune_result *result,
                         struct error *err) {
    struct finetune_spec pinned = *spec;
    struct run run = {.place = place,
                      .spec = &pinned,
                      .hooks = hooks,
                      .threads = place->threads ? place->threads : cpus_granted(),
                      .course = calloc(1, sizeof(*run.course))};
    struct error cause;
    *result = (struct finetune_result){.outcome = FINETUNE_STOPPED};
    enum status status = run.course ? finetune_spec_pin(place->data, &pinned, &cause)
                                    : error_set(&cause, STATUS_INTERNAL, "out of memory");
    if (status == STATUS_OK)
        status = run_it(&run, result, &cause);
    if (status == STATUS_DRAINING && run.wish != FINETUNE_GO_ON) {
        result->outcome = run.wish == FINETUNE_PAUSE ? FINETUNE_PAUSED : FINETUNE_STOPPED;
        status = STATUS_OK;
    }
    source_close(&run.base);
    source_close(&run.compared);
    parts_release(&run.parts);
    album_release(&run.album);
    free(run.course);
    if (status == STATUS_OK)
        return STATUS_OK;
    finetune_result_release(result);
    return error_set(err, cause_full_disk(status, &cause), "%s", cause.detail);
}

void finetune_result_release(struct finetune_result *result) {
    free(result->evaluation);
    result->evaluation = NULL;
}
