/* A fine-tuning job from the photographs to the version, with a small vision transformer and people
 * who are drawn: what it publishes, and that an interruption changes nothing. */
#include "tests/parity/drawn_prepare.h"

#include "model/card.h"
#include "model/digest.h"
#include "model/file.h"
#include "model/finetune/finetune.h"
#include "model/import/vit.h"
#include "model/network/network.h"
#include "model/random.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define GOLDEN FACEPAIR_SOURCE_DIR "/tests/parity/vit/notebook/"
enum { PEOPLE = 260, IMAGES = 3, EPOCHS = 3, PHASES = FINETUNE_PUBLISHING + 1 };

static const char *program; /* this test, to be run again as a process that can be killed */

/* ---- a job and what is heard of it ---- */

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

static void on_epoch(void *context, const struct finetune_epoch *epoch) {
    struct job *job = context;
    job->epochs[epoch->epoch - 1] = *epoch;
    job->epoch_wishes[epoch->epoch - 1] = job->wishes[FINETUNE_RUNNING];
    job->epochs_count = epoch->epoch;
}

static void on_progress(void *context, const struct finetune_progress *progress) {
    struct job *job = context;
    job->phase = progress->phase;
    if (progress->phase == FINETUNE_RUNNING)
        job->steps = progress->step;
}

static void on_checkpoint(void *context, const struct finetune_checkpoint *checkpoint) {
    struct job *job = context;
    assert_int_equal(access(checkpoint->path, F_OK), 0);
    assert_true(checkpoint->bytes > 0);
    job->checkpoints++;
}

static enum finetune_wish wish(void *context) {
    struct job *job = context;
    uint64_t number = ++job->wishes[job->phase];
    return job->interrupt_at > 0 && job->phase == job->interrupt_in && number >= job->interrupt_at
               ? job->interruption
               : FINETUNE_GO_ON;
}

static uint32_t candidates(void *context, const char *evaluation_sha256) {
    struct job *job = context;
    snprintf(job->evaluated_on, sizeof(job->evaluated_on), "%s", evaluation_sha256);
    return job->candidates;
}

static void place_job(struct job *job) {
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

static void job_begin(struct job *job) {
    *job = (struct job){.folder = folder_create()};
    place_job(job);
    const struct import_vit_options import = {.weights_path = GOLDEN "weights.safetensors",
                                              .config_path = GOLDEN "config.json",
                                              .data_directory = job->data,
                                              .input = CARD_INPUT_CHIP};
    assert_int_equal(import_vit(&import, NULL), STATUS_OK);
    draw_photographs(&job->folder, "people", PEOPLE, IMAGES);
}

static void job_end(struct job *job) { folder_remove(&job->folder); }

static struct finetune_result run(struct job *job) {
    struct finetune_result result;
    struct error err;
    memset(job->wishes, 0, sizeof(job->wishes));
    if (finetune_run(&job->place, &job->spec, &job->hooks, &result, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return result;
}

/* Ended by the wish with this number of the phase. */
static void run_until(struct job *job, enum finetune_wish interruption, enum finetune_phase phase,
                      uint64_t wish_number) {
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
static void run_whole(struct job *job) {
    struct finetune_result result = run(job);
    assert_int_equal(result.outcome, FINETUNE_FINISHED);
    finetune_result_release(&result);
}

static void assert_refused(struct job *job, enum status status, const char *because) {
    struct finetune_result result;
    struct error err;
    assert_int_equal(finetune_run(&job->place, &job->spec, &job->hooks, &result, &err), status);
    if (!strstr(err.detail, because))
        fail_msg("\"%s\" does not tell \"%s\"", err.detail, because);
}

static struct card read_version(const struct job *job, const char *version) {
    char path[192];
    struct card card;
    struct error err;
    snprintf(path, sizeof(path), "%s/models/vit/%s", job->data, version);
    if (card_read(path, &card, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return card;
}

/* The same curve, bit by bit, and the same weights. */
static void assert_same(const struct job *a, const struct job *b, const char *version) {
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

/* ---- what comes of it ---- */

static void a_job_ends_in_a_version_that_knows_what_it_is_worth(void **state) {
    (void)state;
    struct job job;
    job_begin(&job);
    struct finetune_result result = run(&job);
    assert_int_equal(result.outcome, FINETUNE_FINISHED);
    assert_string_equal(result.model, "vit");
    assert_string_equal(result.version, "2");
    assert_int_equal(job.epochs_count, EPOCHS);
    assert_int_equal(job.checkpoints, EPOCHS);
    assert_true(job.epochs[EPOCHS - 1].train_loss < job.epochs[0].train_loss);
    assert_non_null(strstr(result.evaluation, "\"fewer_refused\""));
    assert_int_equal(strlen(job.evaluated_on), 64);
    struct card base = read_version(&job, "1"), card = read_version(&job, "2");
    assert_string_not_equal(card.weights_sha256, base.weights_sha256);
    assert_true(card.metrics.known);
    assert_non_null(strstr(card.json, "\"training\": {"));
    assert_non_null(strstr(card.json, "\"best_epoch\""));
    char path[192];
    snprintf(path, sizeof(path), "%s/models/vit/2/training-people.txt", job.data);
    assert_int_equal(access(path, F_OK), 0);
    card_release(&base);
    card_release(&card);
    finetune_result_release(&result);
    job_end(&job);
}

static void it_is_better_where_there_was_something_to_learn(void **state) {
    (void)state;
    struct job job;
    job_begin(&job);
    job.spec.hyperparameters.epochs = 12;
    snprintf(job.spec.hyperparameters.trainable, FINETUNE_TRAINABLE_MAX, "all");
    job.spec.hyperparameters.mining = FINETUNE_MINING_BATCH_HARD;
    struct finetune_result result = run(&job);
    if (!result.better)
        fail_msg("%s", result.evaluation);
    assert_non_null(strstr(result.evaluation, "\"better\": true"));
    struct card card = read_version(&job, "2");
    assert_true(card.thresholds_count > 0);
    card_release(&card);
    finetune_result_release(&result);
    job_end(&job);
}

static void every_loss_can_be_trained(void **state) {
    (void)state;
    static const enum finetune_loss LOSSES[] = {FINETUNE_COSFACE, FINETUNE_ARCFACE,
                                                FINETUNE_CONTRASTIVE};
    struct job job;
    job_begin(&job);
    for (int i = 0; i < 3; i++) {
        snprintf(job.work, sizeof(job.work), "%s/work%d", job.folder.path, i);
        job.spec.hyperparameters.loss = LOSSES[i];
        job.spec.hyperparameters.margin = finetune_default_margin(LOSSES[i]);
        job.spec.hyperparameters.mining =
            LOSSES[i] == FINETUNE_CONTRASTIVE ? FINETUNE_MINING_BATCH_HARD : FINETUNE_MINING_NONE;
        struct finetune_result result = run(&job);
        assert_int_equal(result.outcome, FINETUNE_FINISHED);
        assert_true(isfinite(job.epochs[EPOCHS - 1].validation_loss));
        struct card card = read_version(&job, result.version);
        assert_true(card.embedding.normalise == (LOSSES[i] != FINETUNE_CONTRASTIVE));
        card_release(&card);
        finetune_result_release(&result);
    }
    job_end(&job);
}

static void photographs_without_a_face_are_left_out(void **state) {
    (void)state;
    struct job job;
    job_begin(&job);
    folder_write_text(&job.folder, "people/p000/p000_0001.jpg", "no face");
    folder_write_text(&job.folder, "people/p001/p001_0001.jpg", "no face");
    struct finetune_result result = run(&job);
    assert_int_equal(result.outcome, FINETUNE_FINISHED);
    finetune_result_release(&result);
    job_end(&job);
}

/* ---- interruptions ---- */

static void a_job_that_is_paused_again_and_again_gives_the_same(void **state) {
    (void)state;
    struct job whole, pieces;
    struct random_generator generator = random_seeded(5);
    job_begin(&whole);
    run_whole(&whole);
    job_begin(&pieces);
    pieces.interruption = FINETUNE_PAUSE;
    pieces.interrupt_in = FINETUNE_RUNNING;
    uint32_t eighth = (uint32_t)(whole.wishes[FINETUNE_RUNNING] / 8);
    int pauses = 0;
    struct finetune_result result;
    do {
        pieces.interrupt_at = pauses < 8 ? eighth + random_below(&generator, eighth) : 0;
        result = run(&pieces);
        pauses += result.outcome == FINETUNE_PAUSED;
        if (result.outcome != FINETUNE_FINISHED)
            finetune_result_release(&result);
    } while (result.outcome != FINETUNE_FINISHED);
    finetune_result_release(&result);
    if (pauses < 3)
        fail_msg("%d pauses in %llu wishes", pauses,
                 (unsigned long long)whole.wishes[FINETUNE_RUNNING]);
    assert_same(&whole, &pieces, "2");
    job_end(&whole);
    job_end(&pieces);
}

static void a_job_that_is_stopped_begins_again_at_its_checkpoint(void **state) {
    (void)state;
    struct job whole, stopped;
    job_begin(&whole);
    run_whole(&whole);
    job_begin(&stopped);
    run_until(&stopped, FINETUNE_STOP, FINETUNE_RUNNING, whole.epoch_wishes[EPOCHS - 2] + 5);
    run_whole(&stopped);
    assert_same(&whole, &stopped, "2");
    job_end(&whole);
    job_end(&stopped);
}

/* The last wishes before an epoch is told are those of its validation. */
static void a_pause_while_the_loss_is_measured_changes_nothing(void **state) {
    (void)state;
    struct job whole, paused;
    job_begin(&whole);
    run_whole(&whole);
    job_begin(&paused);
    run_until(&paused, FINETUNE_PAUSE, FINETUNE_RUNNING, whole.epoch_wishes[0] - 1);
    assert_int_equal(paused.epochs_count, 0);
    assert_int_equal(paused.checkpoints, 1);
    run_whole(&paused);
    assert_same(&whole, &paused, "2");
    job_end(&whole);
    job_end(&paused);
}

/* The first wishes of a margin softmax are those of where its columns begin. */
static void a_pause_while_the_columns_are_found_changes_nothing(void **state) {
    (void)state;
    struct job jobs[2];
    for (int i = 0; i < 2; i++) {
        job_begin(&jobs[i]);
        jobs[i].spec.hyperparameters.loss = FINETUNE_COSFACE;
        jobs[i].spec.hyperparameters.margin = finetune_default_margin(FINETUNE_COSFACE);
    }
    run_whole(&jobs[0]);
    run_until(&jobs[1], FINETUNE_PAUSE, FINETUNE_RUNNING, 5);
    assert_int_equal(jobs[1].checkpoints, 0);
    run_whole(&jobs[1]);
    assert_same(&jobs[0], &jobs[1], "2");
    job_end(&jobs[0]);
    job_end(&jobs[1]);
}

static void a_pause_while_it_is_prepared_or_compared_changes_nothing(void **state) {
    (void)state;
    struct job whole, paused;
    job_begin(&whole);
    run_whole(&whole);
    job_begin(&paused);
    run_until(&paused, FINETUNE_PAUSE, FINETUNE_PREPARING, 3);
    run_until(&paused, FINETUNE_PAUSE, FINETUNE_EVALUATING, 3);
    run_until(&paused, FINETUNE_PAUSE, FINETUNE_EVALUATING, whole.wishes[FINETUNE_EVALUATING] / 2);
    run_whole(&paused);
    assert_same(&whole, &paused, "2");
    job_end(&whole);
    job_end(&paused);
}

/* ---- signs of life ---- */

/* Eight views of a photograph are eight rows to freeze, 16 at a time. */
static void each_batch_of_views_is_a_sign_of_life(void **state) {
    (void)state;
    enum { VIEWS = 8 };
    struct job job;
    job_begin(&job);
    job.spec.hyperparameters.augment.views = VIEWS;
    run_until(&job, FINETUNE_STOP, FINETUNE_RUNNING, 1);
    assert_true(job.wishes[FINETUNE_PREPARING] >= PEOPLE * IMAGES / 2 * VIEWS / 16);
    job_end(&job);
}

static void each_piece_of_a_step_and_of_the_comparison_is_a_sign_of_life(void **state) {
    (void)state;
    struct job job;
    job_begin(&job);
    run_whole(&job);
    assert_true(job.wishes[FINETUNE_RUNNING] >= 4 * job.steps);
    assert_true(job.wishes[FINETUNE_EVALUATING] >= 2000); /* replicates */
    job_end(&job);
}

/* The job of a folder, as a process of its own. */
static int run_process(const char *folder) {
    struct job job = {.phase = FINETUNE_PREPARING};
    struct error err;
    struct finetune_result result;
    snprintf(job.folder.path, sizeof(job.folder.path), "%s", folder);
    place_job(&job);
    if (network_runtime_open("cpu", 1, &err) != STATUS_OK ||
        finetune_run(&job.place, &job.spec, &job.hooks, &result, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.detail);
        return 1;
    }
    finetune_result_release(&result);
    return 0;
}

/* True: it ended by itself, well, before the time was over. */
static bool run_and_kill(const struct job *job, uint32_t after_ms) {
    pid_t child = fork();
    if (child == 0) {
        execl(program, program, job->folder.path, (char *)NULL);
        _exit(127);
    }
    const struct timespec time = {after_ms / 1000, (long)(after_ms % 1000) * 1000000};
    nanosleep(&time, NULL);
    kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void a_job_that_is_killed_again_and_again_gives_the_same_version_once(void **state) {
    (void)state;
    struct job whole, killed;
    struct random_generator generator = random_seeded(7);
    job_begin(&whole);
    struct finetune_result result = run(&whole);
    finetune_result_release(&result);
    job_begin(&killed);
    bool done = false;
    for (int i = 0; i < 12 && !done; i++)
        done = run_and_kill(&killed, 200 + random_below(&generator, 1300));
    result = run(&killed); /* what was published, or what is left to do */
    assert_int_equal(result.outcome, FINETUNE_FINISHED);
    assert_string_equal(result.version, "2");
    struct card first = read_version(&whole, "2"), second = read_version(&killed, "2");
    assert_string_equal(first.weights_sha256, second.weights_sha256);
    char third[192];
    snprintf(third, sizeof(third), "%s/models/vit/3", killed.data);
    assert_int_not_equal(access(third, F_OK), 0);
    card_release(&first);
    card_release(&second);
    finetune_result_release(&result);
    job_end(&whole);
    job_end(&killed);
}

static void a_finished_job_is_continued_by_a_new_one(void **state) {
    (void)state;
    struct job whole, first;
    job_begin(&whole);
    struct finetune_result result = run(&whole);
    finetune_result_release(&result);
    job_begin(&first);
    first.spec.hyperparameters.epochs = 1;
    result = run(&first);
    finetune_result_release(&result);
    char work[160];
    snprintf(work, sizeof(work), "%s/another", first.folder.path);
    first.place.resume = first.work;
    first.place.work = work;
    first.spec.hyperparameters.epochs = EPOCHS;
    snprintf(first.spec.base_model, sizeof(first.spec.base_model), "vit@1");
    result = run(&first);
    assert_string_equal(result.version, "3");
    finetune_result_release(&result);
    for (uint32_t i = 0; i < EPOCHS; i++)
        assert_true(whole.epochs[i].validation_loss == first.epochs[i].validation_loss);
    job_end(&whole);
    job_end(&first);
}

/* Version 3 as a calibration of version 2 leaves it, measured afterwards or not. */
static void calibrate(const struct job *job, const char *evaluation) {
    static const char OLD[] = "\"version\": \"2\"";
    char path[192], *card, changed[16384];
    size_t size;
    snprintf(path, sizeof(path), "%s/models/vit/2/model.json", job->data);
    assert_int_equal(file_read(path, sizeof(changed) - 1, &card, &size, NULL), STATUS_OK);
    const char *at = strstr(card, OLD);
    assert_non_null(at);
    snprintf(changed, sizeof(changed), "%.*s\"version\": \"3\"%s", (int)(at - card), card,
             at + strlen(OLD));
    free(card);
    folder_write_text(&job->folder, "data/models/vit/3/model.json", changed);
    if (evaluation)
        folder_write_text(&job->folder, "data/models/vit/3/evaluation.json", evaluation);
}

static void a_calibration_of_its_version_is_not_taken_for_it(void **state) {
    (void)state;
    static const char *const evaluations[] = {
        NULL, "{\"protocol\": \"mine\", \"pairs\": 1, \"threshold\": 1, \"accuracy\": 1,"
              " \"precision\": 1, \"recall\": 1, \"f1\": 1, \"roc_auc\": 1, \"eer\": 0}"};
    struct job job;
    job_begin(&job);
    struct finetune_result result = run(&job);
    finetune_result_release(&result);
    for (int i = 0; i < 2; i++) {
        calibrate(&job, evaluations[i]);
        struct card card = read_version(&job, "3");
        card_release(&card);
        result = run(&job);
        assert_int_equal(result.outcome, FINETUNE_FINISHED);
        assert_string_equal(result.version, "2");
        assert_non_null(strstr(result.evaluation, "\"fewer_refused\""));
        finetune_result_release(&result);
    }
    job_end(&job);
}

/* ---- what cannot be done ---- */

static void a_checkpoint_of_another_training_is_not_gone_on_from(void **state) {
    (void)state;
    struct job job;
    job_begin(&job);
    run_until(&job, FINETUNE_PAUSE, FINETUNE_RUNNING, 20);
    job.spec.hyperparameters.margin = 2;
    assert_refused(&job, STATUS_INTERNAL, "another training");
    job_end(&job);
}

/* A list of as many pairs of one person as of two among the first people; `turn` says who of two
 * meets whom, and changes nothing of which photographs there are. */
static void write_pairs(const struct job *job, int turn) {
    enum { LISTED = 40 };
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    fprintf(stream, "%d\n", LISTED);
    for (int i = 0; i < LISTED; i++)
        fprintf(stream, "p%03d\t1\t2\n", i);
    for (int i = 0; i < LISTED; i++)
        fprintf(stream, "p%03d\t1\tp%03d\t2\n", i, (i + turn) % LISTED);
    fclose(stream);
    folder_write_text(&job->folder, "people/pairs.txt", text);
    free(text);
}

static void a_list_of_other_pairs_is_another_training(void **state) {
    (void)state;
    struct job job;
    job_begin(&job);
    write_pairs(&job, 1);
    job.spec.train.kind = FINETUNE_PAIRS;
    snprintf(job.spec.train.file, sizeof(job.spec.train.file), "pairs.txt");
    job.interruption = FINETUNE_PAUSE;
    job.interrupt_at = 20;
    for (int i = 0; i < 2; i++, job.interrupt_at++) { /* the same are gone on with */
        struct finetune_result result = run(&job);
        assert_int_equal(result.outcome, FINETUNE_PAUSED);
        finetune_result_release(&result);
    }
    assert_true(job.checkpoints > 0);
    job.interrupt_at = 0;
    write_pairs(&job, 2);
    assert_refused(&job, STATUS_INTERNAL, "another training");
    job_end(&job);
}

static void a_photograph_that_is_none_is_named(void **state) {
    (void)state;
    struct job job;
    job_begin(&job);
    for (int person = 0; person < PEOPLE; person++) {
        char name[64];
        snprintf(name, sizeof(name), "people/p%03d/p%03d_0002.jpg", person, person);
        folder_write_text(&job.folder, name, "rubbish");
    }
    assert_refused(&job, STATUS_INVALID_FIELD, "_0002.jpg");
    job_end(&job);
}

static void more_rows_than_memory_and_disk_may_hold_are_refused(void **state) {
    (void)state;
    struct job job;
    job_begin(&job);
    job.spec.hyperparameters.cache_bytes_max = 0;
    job.spec.disk_bytes_max = 1024;
    assert_refused(&job, STATUS_STORAGE_FULL, "augment.views");
    job_end(&job);
}

static void rows_on_disk_train_as_rows_in_memory(void **state) {
    (void)state;
    struct job memory, disk;
    job_begin(&memory);
    struct finetune_result result = run(&memory);
    finetune_result_release(&result);
    job_begin(&disk);
    disk.spec.hyperparameters.cache_bytes_max = 0;
    result = run(&disk);
    finetune_result_release(&result);
    assert_same(&memory, &disk, "2");
    job_end(&memory);
    job_end(&disk);
}

static void checkpoints_keep_to_the_disk_limit(void **state) {
    (void)state;
    struct job job;
    job_begin(&job);
    job.spec.disk_bytes_max = 2048;
    assert_refused(&job, STATUS_STORAGE_FULL, "disk_bytes_max");
    job_end(&job);
}

static void a_model_that_is_not_there_is_told(void **state) {
    (void)state;
    struct job job;
    job_begin(&job);
    snprintf(job.spec.base_model, sizeof(job.spec.base_model), "vit@7");
    assert_refused(&job, STATUS_UNKNOWN_MODEL, "vit@7");
    job_end(&job);
}

int main(int argc, char **argv) {
    if (argc > 1)
        return run_process(argv[1]);
    program = argv[0];
    struct error err;
    if (network_runtime_open("cpu", 1, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.detail);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_ends_in_a_version_that_knows_what_it_is_worth),
        cmocka_unit_test(it_is_better_where_there_was_something_to_learn),
        cmocka_unit_test(every_loss_can_be_trained),
        cmocka_unit_test(photographs_without_a_face_are_left_out),
        cmocka_unit_test(a_job_that_is_paused_again_and_again_gives_the_same),
        cmocka_unit_test(a_job_that_is_stopped_begins_again_at_its_checkpoint),
        cmocka_unit_test(a_pause_while_the_loss_is_measured_changes_nothing),
        cmocka_unit_test(a_pause_while_the_columns_are_found_changes_nothing),
        cmocka_unit_test(a_pause_while_it_is_prepared_or_compared_changes_nothing),
        cmocka_unit_test(each_batch_of_views_is_a_sign_of_life),
        cmocka_unit_test(each_piece_of_a_step_and_of_the_comparison_is_a_sign_of_life),
        cmocka_unit_test(a_job_that_is_killed_again_and_again_gives_the_same_version_once),
        cmocka_unit_test(a_finished_job_is_continued_by_a_new_one),
        cmocka_unit_test(a_calibration_of_its_version_is_not_taken_for_it),
        cmocka_unit_test(a_checkpoint_of_another_training_is_not_gone_on_from),
        cmocka_unit_test(a_list_of_other_pairs_is_another_training),
        cmocka_unit_test(a_photograph_that_is_none_is_named),
        cmocka_unit_test(more_rows_than_memory_and_disk_may_hold_are_refused),
        cmocka_unit_test(rows_on_disk_train_as_rows_in_memory),
        cmocka_unit_test(checkpoints_keep_to_the_disk_limit),
        cmocka_unit_test(a_model_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
