/* A fine-tuning job that is paused, stopped, killed, or gone on with: the curve and the version are
 * the same bit by bit, and it gives signs of life meanwhile. */
#include "tests/parity/finetune_job.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static const char *program; /* this test, to be run again as a process that can be killed */

/* ---- pauses ---- */

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

/* ---- another training ---- */

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
    for (int i = 0; i < 2; i++) /* the same are gone on with */
        run_until(&job, FINETUNE_PAUSE, FINETUNE_RUNNING, job.wishes[FINETUNE_RUNNING] + 20);
    assert_true(job.checkpoints > 0);
    write_pairs(&job, 2);
    assert_refused(&job, STATUS_INTERNAL, "another training");
    job_end(&job);
}

int main(int argc, char **argv) {
    if (argc > 1)
        return run_process(argv[1]);
    program = argv[0];
    if (!open_runtime())
        return 1;
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
