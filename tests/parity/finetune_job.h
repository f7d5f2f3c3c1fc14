/* A fine-tuning job with a small vision transformer and people who are drawn, and what is heard of
 * it. Included once by each program test_finetune*.c. */
#ifndef FACEPAIR_TESTS_FINETUNE_JOB_H
#define FACEPAIR_TESTS_FINETUNE_JOB_H

#include "tests/parity/drawn_prepare.h"

#include "model/card.h"
#include "model/digest.h"
#include "model/file.h"
#include "model/finetune/finetune.h"
#include "model/import/vit.h"
#include "model/network/network.h"
#include "model/random.h"

#define GOLDEN FACEPAIR_SOURCE_DIR "/tests/parity/vit/notebook/"
enum { PEOPLE = 260, IMAGES = 3, EPOCHS = 3, PHASES = FINETUNE_PUBLISHING + 1 };

struct job {
    struct folder folder;
    char data[128], dataset[128], work[128];
    struct finetune_spec spec;
    struct finetune_place place;
    struct finetune_hooks hooks;
    /* Heard. */
    struct finetune_epoch epochs[FINETUNE_EPOCHS_MAX];
    uint32_t epochs_count, checkpoints;
    enum finetune_phase phase;
    uint64_t steps;
    uint64_t wishes[PHASES];                    /* asked in each phase */
    uint64_t epoch_wishes[FINETUNE_EPOCHS_MAX]; /* of RUNNING, when an epoch was told */
    /* From the wish with this number of a phase on; 0: never. */
    uint64_t interrupt_at;
    enum finetune_phase interrupt_in;
    enum finetune_wish interruption;
    char evaluated_on[DIGEST_TEXT_SIZE];
    uint32_t candidates;
};

static inline void on_epoch(void *context, const struct finetune_epoch *epoch) {
    struct job *job = context;
    job->epochs[epoch->epoch - 1] = *epoch;
    job->epoch_wishes[epoch->epoch - 1] = job->wishes[FINETUNE_RUNNING];
    job->epochs_count = epoch->epoch;
}

static inline void on_progress(void *context, const struct finetune_progress *progress) {
    struct job *job = context;
    job->phase = progress->phase;
    if (progress->phase == FINETUNE_RUNNING)
        job->steps = progress->step;
}

static inline void on_checkpoint(void *context, const struct finetune_checkpoint *checkpoint) {
    struct job *job = context;
    assert_int_equal(access(checkpoint->path, F_OK), 0);
    assert_true(checkpoint->bytes > 0);
    job->checkpoints++;
}

static inline enum finetune_wish wish(void *context) {
    struct job *job = context;
    uint64_t number = ++job->wishes[job->phase];
    return job->interrupt_at > 0 && job->phase == job->interrupt_in && number >= job->interrupt_at
               ? job->interruption
               : FINETUNE_GO_ON;
}

static inline uint32_t candidates(void *context, const char *evaluation_sha256) {
    struct job *job = context;
    snprintf(job->evaluated_on, sizeof(job->evaluated_on), "%s", evaluation_sha256);
    return job->candidates;
}

static inline void place_job(struct job *job) {
    snprintf(job->data, sizeof(job->data), "%s/data", job->folder.path);
    snprintf(job->dataset, sizeof(job->dataset), "%s/people", job->folder.path);
    snprintf(job->work, sizeof(job->work), "%s/work", job->folder.path);
    job->place = (struct finetune_place){
        .data = job->data, .dataset = job->dataset, .work = job->work, .threads = 1};
    job->hooks = (struct finetune_hooks){.context = job,
                                         .on_progress = on_progress,
                                         .on_epoch = on_epoch,
                                         .on_checkpoint = on_checkpoint,
                                         .wish = wish,
                                         .candidates = candidates};
    job->candidates = 1;
    finetune_spec_default(&job->spec);
    snprintf(job->spec.base_model, sizeof(job->spec.base_model), "vit");
    snprintf(job->spec.name, sizeof(job->spec.name), "vit");
    snprintf(job->spec.dataset, sizeof(job->spec.dataset), "people");
    job->spec.hyperparameters.epochs = EPOCHS;
    job->spec.hyperparameters.augment.views = 2;
}

static inline void job_begin(struct job *job) {
    *job = (struct job){.folder = folder_create()};
    place_job(job);
    const struct import_vit_options import = {.weights_path = GOLDEN "weights.safetensors",
                                              .config_path = GOLDEN "config.json",
                                              .data_directory = job->data,
                                              .input = CARD_INPUT_CHIP};
    assert_int_equal(import_vit(&import, NULL), STATUS_OK);
    draw_photographs(&job->folder, "people", PEOPLE, IMAGES);
}

static inline void job_end(struct job *job) { folder_remove(&job->folder); }

static inline struct finetune_result run(struct job *job) {
    struct finetune_result result;
    struct error err;
    memset(job->wishes, 0, sizeof(job->wishes));
    if (finetune_run(&job->place, &job->spec, &job->hooks, &result, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return result;
}

/* Ended by the wish with this number of the phase. */
static inline void run_until(struct job *job, enum finetune_wish interruption,
                             enum finetune_phase phase, uint64_t wish_number) {
    job->interruption = interruption;
    job->interrupt_in = phase;
    job->interrupt_at = wish_number;
    struct finetune_result result = run(job);
    assert_int_equal(result.outcome,
                     interruption == FINETUNE_PAUSE ? FINETUNE_PAUSED : FINETUNE_STOPPED);
    assert_int_equal(job->phase, phase);
    finetune_result_release(&result);
    job->interrupt_at = 0;
}

/* To its end. */
static inline void run_whole(struct job *job) {
    struct finetune_result result = run(job);
    assert_int_equal(result.outcome, FINETUNE_FINISHED);
    finetune_result_release(&result);
}

static inline void assert_refused(struct job *job, enum status status, const char *because) {
    struct finetune_result result;
    struct error err;
    assert_int_equal(finetune_run(&job->place, &job->spec, &job->hooks, &result, &err), status);
    if (!strstr(err.detail, because))
        fail_msg("\"%s\" does not tell \"%s\"", err.detail, because);
}

static inline struct card read_version(const struct job *job, const char *version) {
    char path[192];
    struct card card;
    struct error err;
    snprintf(path, sizeof(path), "%s/models/vit/%s", job->data, version);
    if (card_read(path, &card, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return card;
}

/* The same curve, bit by bit, and the same weights. */
static inline void assert_same(const struct job *a, const struct job *b, const char *version) {
    assert_int_equal(a->epochs_count, b->epochs_count);
    for (uint32_t i = 0; i < a->epochs_count; i++) {
        assert_true(a->epochs[i].train_loss == b->epochs[i].train_loss);
        assert_true(a->epochs[i].validation_loss == b->epochs[i].validation_loss);
        assert_true(a->epochs[i].learning_rate == b->epochs[i].learning_rate);
        assert_int_equal(a->epochs[i].best_epoch, b->epochs[i].best_epoch);
    }
    struct card first = read_version(a, version), second = read_version(b, version);
    assert_string_equal(first.weights_sha256, second.weights_sha256);
    card_release(&first);
    card_release(&second);
}

static inline bool open_runtime(void) {
    struct error err;
    bool opened = network_runtime_open("cpu", 1, &err) == STATUS_OK;
    if (!opened)
        fprintf(stderr, "%s\n", err.detail);
    return opened;
}

#endif
