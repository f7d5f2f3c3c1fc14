#include "tests/unit/model_folder.h"

#include "model/import/calibrated.h"

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
    assert_int_equal(calibrated_activate(&bench.calibrated, version, NULL), STATUS_OK);
    file = fopen(path, "r");
    assert_non_null(fgets(line, sizeof(line), file));
    fclose(file);
    assert_string_equal(line, "4\n");
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
        cmocka_unit_test(a_calibrated_version_can_be_calibrated_again),
        cmocka_unit_test(the_version_in_use_stays_until_the_new_one_is_activated),
        cmocka_unit_test(a_failure_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
