/* What stands on disk, and that a change of it is whole or not at all. */
#include "tests/unit/model_folder.h"

#include "model/catalog.h"
#include "model/import/version.h"
#include "model/leftovers.h"

static bool exists(const struct folder *folder, const char *name) {
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", folder->path, name);
    return access(path, F_OK) == 0;
}

static void models_are_directories_with_a_models_name(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct catalog_models models;
    folder_write_text(&folder, "models/b/1/x", "");
    folder_write_text(&folder, "models/a.1/1/x", "");
    folder_write_text(&folder, "models/notes", "");
    folder_write_text(&folder, "models/.new-abc/1/x", "");
    assert_int_equal(catalog_models(folder.path, &models, NULL), STATUS_OK);
    assert_int_equal(models.count, 2);
    assert_string_equal(models.names[0], "a.1");
    assert_string_equal(models.names[1], "b");
    assert_string_equal(models.odd, "");
    folder_write_text(&folder, "models/Upper/x", "");
    assert_int_equal(catalog_models(folder.path, &models, NULL), STATUS_OK);
    assert_int_equal(models.count, 2);
    assert_string_equal(models.odd, "Upper");
    folder_remove(&folder);
}

static void versions_are_told_in_the_order_of_numbers(void **state) {
    (void)state;
    struct folder folder = folder_create();
    static struct catalog_versions versions;
    static const char *const names[] = {"10", "9", "2", "01", "x", ".gone-3", ".new-abcdef"};
    char path[64];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "models/net/%s/model.json", names[i]);
        folder_write_text(&folder, path, "");
    }
    folder_write_text(&folder, "models/net/77", "a file");
    assert_int_equal(catalog_versions(folder.path, "net", &versions, NULL), STATUS_OK);
    assert_int_equal(versions.count, 3);
    assert_string_equal(versions.numbers[0], "2");
    assert_string_equal(versions.numbers[1], "9");
    assert_string_equal(versions.numbers[2], "10");
    folder_remove(&folder);
}

static void activating_writes_one_line_and_leaves_nothing_else(void **state) {
    (void)state;
    struct folder folder = folder_create();
    static struct catalog_versions versions;
    char active[CARD_VERSION_MAX + 1];
    model_folder_add(&folder, "net", "2");
    model_folder_add(&folder, "net", "1");
    assert_int_equal(catalog_activate(folder.path, "net", "2", NULL), STATUS_OK);
    assert_int_equal(catalog_active(folder.path, "net", active, NULL), STATUS_OK);
    assert_string_equal(active, "2");
    assert_int_equal(catalog_activate(folder.path, "net", "3", NULL), STATUS_UNKNOWN_MODEL);
    assert_int_equal(catalog_activate(folder.path, "no", "1", NULL), STATUS_UNKNOWN_MODEL);
    assert_int_equal(catalog_active(folder.path, "net", active, NULL), STATUS_OK);
    assert_string_equal(active, "2");
    assert_int_equal(catalog_versions(folder.path, "net", &versions, NULL), STATUS_OK);
    assert_int_equal(versions.count, 2);
    folder_remove(&folder);
}

static void the_active_version_is_not_removed(void **state) {
    (void)state;
    struct folder folder = folder_create();
    model_folder_add(&folder, "net", "1");
    model_folder_add(&folder, "net", "2");
    assert_int_equal(catalog_remove(folder.path, "net", "2", NULL), STATUS_ACTIVE_VERSION);
    assert_int_equal(catalog_remove(folder.path, "net", "1", NULL), STATUS_OK);
    assert_false(exists(&folder, "models/net/1"));
    assert_false(exists(&folder, "models/net/.gone-1"));
    assert_int_equal(catalog_remove(folder.path, "net", "1", NULL), STATUS_UNKNOWN_MODEL);
    assert_true(exists(&folder, "models/net/2/model.json"));
    folder_remove(&folder);
}

static void a_number_is_never_given_again(void **state) {
    (void)state;
    struct folder folder = folder_create();
    char path[128], number[CARD_VERSION_MAX + 1];
    model_folder_add(&folder, "net", "3");
    model_folder_add(&folder, "net", "1");
    snprintf(path, sizeof(path), "%s/models/net", folder.path);
    assert_int_equal(catalog_remove(folder.path, "net", "3", NULL), STATUS_OK);
    assert_int_equal(version_next(path, number, NULL), STATUS_OK);
    assert_string_equal(number, "4");
    assert_int_equal(catalog_note_given(path, "12", NULL), STATUS_OK);
    assert_int_equal(catalog_note_given(path, "5", NULL), STATUS_OK);
    assert_int_equal(version_next(path, number, NULL), STATUS_OK);
    assert_string_equal(number, "13");
    folder_write_text(&folder, "models/net/largest", "18446744073709551615\n");
    assert_int_equal(version_next(path, number, NULL), STATUS_INTERNAL);
    folder_write_text(&folder, "models/net/largest", "many\n");
    assert_int_equal(version_next(path, number, NULL), STATUS_INTERNAL);
    folder_remove(&folder);
}

/* What writers that were killed leave, wherever they were. */
static void leave_everything(const struct folder *folder) {
    model_folder_add(folder, "net", "1");
    folder_write_text(folder, "models/.new-aaaaaa/1/model.json", "{}");
    folder_write_text(folder, "models/.new-aaaaaa/.new-bbbbbb/weights", "x");
    folder_write_text(folder, "models/net/.new-cccccc/weights", "x");
    folder_write_text(folder, "models/net/.gone-7/weights", "x");
    folder_write_text(folder, "models/net/active.dddddd", "9");
    folder_write_text(folder, "models/net/largest.eeeeee", "9");
    model_folder_add(folder, "active.1", "1");
}

static void what_dead_writers_left_is_swept(void **state) {
    (void)state;
    struct folder folder = folder_create();
    static struct catalog_versions versions;
    char models[128];
    leave_everything(&folder);
    snprintf(models, sizeof(models), "%s/models", folder.path);
    leftovers_sweep(models);
    assert_false(exists(&folder, "models/.new-aaaaaa"));
    assert_false(exists(&folder, "models/net/.new-cccccc"));
    assert_false(exists(&folder, "models/net/.gone-7"));
    assert_false(exists(&folder, "models/net/active.dddddd"));
    assert_false(exists(&folder, "models/net/largest.eeeeee"));
    assert_true(exists(&folder, "models/net/active"));
    assert_true(exists(&folder, "models/active.1/1/model.json")); /* a model's name */
    assert_int_equal(catalog_versions(folder.path, "net", &versions, NULL), STATUS_OK);
    assert_int_equal(versions.count, 1);
    folder_remove(&folder);
}

static void what_live_writers_have_is_not(void **state) {
    (void)state;
    struct folder folder = folder_create();
    char models[128];
    leave_everything(&folder);
    snprintf(models, sizeof(models), "%s/models", folder.path);
    int hold = leftovers_hold(models);
    assert_true(hold >= 0);
    leftovers_sweep(models);
    assert_true(exists(&folder, "models/.new-aaaaaa"));
    assert_true(exists(&folder, "models/net/.gone-7"));
    leftovers_release(hold);
    leftovers_sweep(models);
    assert_false(exists(&folder, "models/.new-aaaaaa"));
    folder_remove(&folder);
}

static void write_card(const struct version_work *work, const char *version, const char *part,
                       const char *text) {
    char json[2048];
    model_card_text(json, sizeof json, "other", version, part, text);
    assert_int_equal(version_write(work, "model.json", json, strlen(json), NULL), STATUS_OK);
}

static void a_writer_under_way_is_not_swept_and_sweeps_before(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct version_work work;
    char models[128];
    leave_everything(&folder);
    snprintf(models, sizeof(models), "%s/models", folder.path);
    assert_int_equal(version_begin(folder.path, "other", &work, NULL), STATUS_OK);
    assert_false(exists(&folder, "models/.new-aaaaaa"));
    leftovers_sweep(models);
    assert_int_equal(access(work.built, F_OK), 0);
    write_card(&work, "1", NULL, NULL);
    assert_int_equal(version_finish(&work, NULL, NULL), STATUS_OK);
    assert_true(exists(&folder, "models/other/1/model.json"));
    assert_true(exists(&folder, "models/other/active"));
    leftovers_sweep(models);
    assert_true(exists(&folder, "models/other/1/model.json"));
    folder_remove(&folder);
}

static void assert_not_published(struct folder *folder, struct version_work *work,
                                 const char *told) {
    struct error err = {""};
    char models[128];
    assert_int_equal(version_finish(work, NULL, &err), STATUS_INTERNAL);
    if (!strstr(err.detail, told))
        fail_msg("\"%s\" does not tell \"%s\"", err.detail, told);
    snprintf(models, sizeof(models), "%s/models", folder->path);
    assert_int_equal(rmdir(models), 0);
    folder_remove(folder);
}

/* A version is never written again: one that nobody can read would stay. */
static void what_cannot_be_read_is_not_published(void **state) {
    (void)state;
    static const struct {
        const char *version, *part, *text, *evaluation, *told;
    } faults[] = {
        {"1", "\"side\":16", "\"side\":15", NULL, "model.json: input.side"},
        {"1", "a test's", "\xFF", NULL, "model.json: line 1"},
        {"2", NULL, NULL, NULL, "the version is not 1"},
        {"1", NULL, NULL, "{\"protocol\":\"\xC3\"}", "evaluation.json: line 1"},
        {"1", NULL, NULL, "{\"protocol\":\"p\"}", "evaluation.json: pairs"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct folder folder = folder_create();
        struct version_work work;
        const char *evaluation = faults[i].evaluation;
        assert_int_equal(version_begin(folder.path, "other", &work, NULL), STATUS_OK);
        write_card(&work, faults[i].version, faults[i].part, faults[i].text);
        if (evaluation)
            assert_int_equal(
                version_write(&work, "evaluation.json", evaluation, strlen(evaluation), NULL),
                STATUS_OK);
        assert_not_published(&folder, &work, faults[i].told);
    }
}

static void an_abandoned_version_leaves_nothing(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct version_work work;
    char models[128];
    snprintf(models, sizeof(models), "%s/models", folder.path);
    assert_int_equal(version_begin(folder.path, "other", &work, NULL), STATUS_OK);
    assert_int_equal(version_write(&work, "model.json", "{}", 2, NULL), STATUS_OK);
    version_abandon(&work);
    assert_int_equal(rmdir(models), 0); /* only an empty one can be */
    folder_remove(&folder);
}

static void a_fingerprint_tells_of_each_change(void **state) {
    (void)state;
    struct folder folder = folder_create();
    model_folder_add(&folder, "net", "1");
    uint64_t before = catalog_fingerprint(folder.path, "net", "1");
    assert_true(before == catalog_fingerprint(folder.path, "net", "1"));
    folder_write_text(&folder, "models/net/1/weights.safetensors", MODEL_WEIGHTS "!");
    uint64_t weights = catalog_fingerprint(folder.path, "net", "1");
    assert_true(weights != before);
    folder_write_text(&folder, "models/net/1/evaluation.json", "{}");
    uint64_t more = catalog_fingerprint(folder.path, "net", "1");
    assert_true(more != weights);
    folder_write_text(&folder, "models/net/active", "17");
    assert_true(catalog_fingerprint(folder.path, "net", "1") != more);
    folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_are_directories_with_a_models_name),
        cmocka_unit_test(versions_are_told_in_the_order_of_numbers),
        cmocka_unit_test(activating_writes_one_line_and_leaves_nothing_else),
        cmocka_unit_test(the_active_version_is_not_removed),
        cmocka_unit_test(a_number_is_never_given_again),
        cmocka_unit_test(what_dead_writers_left_is_swept),
        cmocka_unit_test(what_live_writers_have_is_not),
        cmocka_unit_test(a_writer_under_way_is_not_swept_and_sweeps_before),
        cmocka_unit_test(what_cannot_be_read_is_not_published),
        cmocka_unit_test(an_abandoned_version_leaves_nothing),
        cmocka_unit_test(a_fingerprint_tells_of_each_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
