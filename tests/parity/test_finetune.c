/* A fine-tuning job from the photographs to the version: what it publishes, and what it refuses. */
#include "tests/parity/finetune_job.h"

#include <math.h>

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

/* ---- what cannot be done ---- */

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

int main(void) {
    if (!open_runtime())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_ends_in_a_version_that_knows_what_it_is_worth),
        cmocka_unit_test(it_is_better_where_there_was_something_to_learn),
        cmocka_unit_test(every_loss_can_be_trained),
        cmocka_unit_test(photographs_without_a_face_are_left_out),
        cmocka_unit_test(a_photograph_that_is_none_is_named),
        cmocka_unit_test(more_rows_than_memory_and_disk_may_hold_are_refused),
        cmocka_unit_test(rows_on_disk_train_as_rows_in_memory),
        cmocka_unit_test(checkpoints_keep_to_the_disk_limit),
        cmocka_unit_test(a_model_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
