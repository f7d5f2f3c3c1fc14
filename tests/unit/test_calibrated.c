#include "tests/unit/model_folder.h"

#include "model/import/calibrated.h"
#include "model/safetensors.h"

#include <dirent.h>

static const struct card_measured MEASURED = {
    .error_rates = {.count = 2,
                    .points = {{0.1, 0, 1, {0, 0.001}, {0.9, 1}}, {0.9, 1, 0, {1, 1}, {0, 0.01}}}},
    .calibration = {.count = 2, .points = {{0.4, 5}, {0.8, -5}}}};
static const struct operating_point POINTS[] = {
    {0.1, {0.7, 0.0999, 0.004, {0.09, 0.11}, {0.001, 0.01}}},
    {0.01, {0.6, 0.0099, 0.012, {0.008, 0.012}, {0.005, 0.02}}}};

static enum status read_version(const struct folder *folder, const char *version,
                                struct card *card) {
    char path[128];
    struct error err;
    snprintf(path, sizeof(path), "%s/models/net/%s", folder->path, version);
    return card_read(path, card, &err);
}

struct bench {
    struct folder folder;
    char models[128];
    struct card card;
    struct calibrated calibrated;
};

static void prepare(struct bench *bench) {
    bench->folder = folder_create();
    model_folder_add(&bench->folder, "net", "3");
    assert_int_equal(read_version(&bench->folder, "3", &bench->card), STATUS_OK);
    snprintf(bench->models, sizeof(bench->models), "%s/models", bench->folder.path);
    bench->calibrated = (struct calibrated){.data_directory = bench->folder.path,
                                            .card = &bench->card,
                                            .measured = &MEASURED,
                                            .points = POINTS,
                                            .points_count = 2,
                                            .data = {.kind = "people",
                                                     .file_sha256 = "12",
                                                     .people_sha256 = "34",
                                                     .part = "calibration",
                                                     .hashes = "0123456789abcdef\n",
                                                     .people = 1,
                                                     .images = 2,
                                                     .method = "a test's"}};
}

static void finish(struct bench *bench) {
    card_release(&bench->card);
    folder_remove(&bench->folder);
}

static void the_new_version_has_the_same_weights_and_what_was_measured(void **state) {
    (void)state;
    struct bench bench;
    struct card card;
    char version[CARD_VERSION_MAX + 1], path[256], found[DIGEST_TEXT_SIZE];
    prepare(&bench);
    assert_int_equal(calibrated_publish(&bench.calibrated, version, NULL), STATUS_OK);
    assert_string_equal(version, "4");
    assert_int_equal(read_version(&bench.folder, "4", &card), STATUS_OK);
    assert_string_equal(card.version, "4");
    assert_string_equal(card.weights_sha256, bench.card.weights_sha256);
    assert_int_equal(card.thresholds_count, 2);
    assert_true(card.thresholds[1].fmr == 0.01 && card.thresholds[1].threshold == 0.6);
    assert_true(card.thresholds[1].fnmr_known && card.thresholds[1].fnmr == 0.012);
    assert_int_equal(card.measured.error_rates.count, 2);
    assert_true(card.measured.calibration.points[0].llr == 5);
    assert_true(card.input.mean[0] == bench.card.input.mean[0]);
    assert_non_null(strstr(card.json, "\"people_sha256\": \"34\""));
    snprintf(path, sizeof(path), "%s/net/4/weights.safetensors", bench.models);
    assert_int_equal(digest_file(path, found, NULL), STATUS_OK);
    assert_string_equal(found, bench.card.weights_sha256);
    snprintf(path, sizeof(path), "%s/net/4/calibration-people.txt", bench.models);
    assert_int_equal(access(path, R_OK), 0);
    card_release(&card);
    finish(&bench);
}

/* The weights of version 3 as a safetensors file, as one that gets a head must be. */
static void write_real_weights(struct bench *bench) {
    static const float values[] = {1, 2, 3};
    const struct safetensors_tensor tensor = {
        .name = "stem.weight", .rank = 1, .shape = {3}, .data = values};
    char path[256];
    snprintf(path, sizeof(path), "%s/net/3/weights.safetensors", bench->models);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(safetensors_write(path, &tensor, 1, NULL), STATUS_OK);
}

static void a_learned_head_stands_in_the_new_versions_weights(void **state) {
    (void)state;
    static const float matrix[MODEL_LENGTH * MODEL_LENGTH] = {1, 0, 0, 0, 2, 3};
    const struct calibrated_head head = {matrix, "56", "78", "learning", "fedcba9876543210\n",
                                         7,      9};
    struct bench bench;
    struct card card, again;
    char version[CARD_VERSION_MAX + 1], path[256], found[DIGEST_TEXT_SIZE];
    struct safetensors *file;
    prepare(&bench);
    write_real_weights(&bench);
    bench.card.embedding.mirror = bench.card.embedding.normalise = true;
    bench.calibrated.embedding_changed = true;
    bench.calibrated.head = &head;
    assert_int_equal(calibrated_publish(&bench.calibrated, version, NULL), STATUS_OK);
    assert_int_equal(read_version(&bench.folder, "4", &card), STATUS_OK);
    assert_true(card.embedding.mirror && card.embedding.normalise && card.embedding.head);
    assert_int_equal(card.embedding.network_length, MODEL_LENGTH);
    assert_non_null(strstr(card.json, "\"people_sha256\": \"78\""));
    snprintf(path, sizeof(path), "%s/net/4/weights.safetensors", bench.models);
    assert_int_equal(digest_file(path, found, NULL), STATUS_OK);
    assert_string_equal(found, card.weights_sha256);
    assert_int_equal(safetensors_open(path, &file, NULL), STATUS_OK);
    assert_int_equal(safetensors_count(file), 2);
    assert_non_null(safetensors_find(file, "stem.weight"));
    const struct safetensors_tensor *tensor = safetensors_find(file, CARD_HEAD_TENSOR);
    assert_true(tensor && tensor->rank == 2 && tensor->shape[0] == MODEL_LENGTH);
    assert_memory_equal(tensor->data, matrix, sizeof(matrix));
    safetensors_close(file);

    /* Calibrated once more it keeps its head, and who it was learned from. */
    bench.calibrated.card = &card;
    bench.calibrated.embedding_changed = false;
    bench.calibrated.head = NULL;
    assert_int_equal(calibrated_publish(&bench.calibrated, version, NULL), STATUS_OK);
    assert_int_equal(read_version(&bench.folder, "5", &again), STATUS_OK);
    assert_true(again.embedding.mirror && again.embedding.head);
    assert_string_equal(again.weights_sha256, card.weights_sha256);
    snprintf(path, sizeof(path), "%s/net/5/head-people.txt", bench.models);
    char line[32] = "";
    FILE *people = fopen(path, "r");
    assert_non_null(people);
    assert_non_null(fgets(line, sizeof(line), people));
    fclose(people);
    assert_string_equal(line, "fedcba9876543210\n");
    card_release(&again);
    card_release(&card);
    finish(&bench);
}

static void weights_that_cannot_hold_a_head_are_told(void **state) {
    (void)state;
    static const float matrix[MODEL_LENGTH * MODEL_LENGTH] = {1};
    const struct calibrated_head head = {matrix, "56", "78", NULL, "fedcba9876543210\n", 7, 9};
    struct bench bench;
    struct error err = {""};
    char version[CARD_VERSION_MAX + 1];
    prepare(&bench); /* whose weights are no safetensors */
    bench.calibrated.head = &head;
    assert_int_equal(calibrated_publish(&bench.calibrated, version, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "weights.safetensors"));
    finish(&bench);
}

static void what_genuine_faces_keep_away_from_is_told(void **state) {
    (void)state;
    float mean[MODEL_LENGTH] = {0.5f, -1, 0.25f, 2};
    const struct card_typical typical = {mean, 0.375, 0.001};
    struct bench bench;
    struct card card;
    char version[CARD_VERSION_MAX + 1];
    prepare(&bench);
    bench.calibrated.typical = &typical;
    assert_int_equal(calibrated_publish(&bench.calibrated, version, NULL), STATUS_OK);
    assert_int_equal(read_version(&bench.folder, "4", &card), STATUS_OK);
    assert_non_null(card.typical.mean);
    assert_memory_equal(card.typical.mean, mean, sizeof(mean));
    assert_true(card.typical.distance_min == 0.375 && card.typical.share == 0.001);
    card_release(&card);
    finish(&bench);
}

static void a_calibrated_version_can_be_calibrated_again(void **state) {
    (void)state;
    struct bench bench;
    struct card fourth, fifth;
    char version[CARD_VERSION_MAX + 1];
    prepare(&bench);
    assert_int_equal(calibrated_publish(&bench.calibrated, version, NULL), STATUS_OK);
    assert_int_equal(read_version(&bench.folder, "4", &fourth), STATUS_OK);
    bench.calibrated.card = &fourth;
    assert_int_equal(calibrated_publish(&bench.calibrated, version, NULL), STATUS_OK);
    assert_string_equal(version, "5");
    assert_int_equal(read_version(&bench.folder, "5", &fifth), STATUS_OK);
    assert_int_equal(fifth.thresholds_count, 2);
    card_release(&fourth);
    card_release(&fifth);
    finish(&bench);
}

static void the_version_in_use_stays_until_the_new_one_is_activated(void **state) {
    (void)state;
    struct bench bench;
    char version[CARD_VERSION_MAX + 1], path[256], line[8] = "";
    prepare(&bench);
    snprintf(path, sizeof(path), "%s/net/active", bench.models);
    assert_int_equal(calibrated_publish(&bench.calibrated, version, NULL), STATUS_OK);
    FILE *file = fopen(path, "r");
    assert_non_null(fgets(line, sizeof(line), file));
    fclose(file);
    assert_string_equal(line, "3\n");
    finish(&bench);
}

static void a_failure_leaves_nothing_behind(void **state) {
    (void)state;
    struct bench bench;
    struct error err = {""};
    char version[CARD_VERSION_MAX + 1], path[256];
    prepare(&bench);
    snprintf(path, sizeof(path), "%s/net/3/weights.safetensors", bench.models);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(calibrated_publish(&bench.calibrated, version, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "weights.safetensors"));
    snprintf(path, sizeof(path), "%s/net", bench.models);
    DIR *entries = opendir(path);
    unsigned count = 0;
    while (readdir(entries))
        count++;
    closedir(entries);
    assert_int_equal(count, 4); /* ., .., 3, active */
    finish(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_new_version_has_the_same_weights_and_what_was_measured),
        cmocka_unit_test(a_learned_head_stands_in_the_new_versions_weights),
        cmocka_unit_test(weights_that_cannot_hold_a_head_are_told),
        cmocka_unit_test(what_genuine_faces_keep_away_from_is_told),
        cmocka_unit_test(a_calibrated_version_can_be_calibrated_again),
        cmocka_unit_test(the_version_in_use_stays_until_the_new_one_is_activated),
        cmocka_unit_test(a_failure_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
