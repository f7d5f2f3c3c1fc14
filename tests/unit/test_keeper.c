/* What of the disk is loaded: the start, following, promotion, deletion, memory. The registry is
 * here on the keeper's own thread, and each change is applied at once. */
#include "tests/unit/model_folder.h"

#include "model/keeper_inside.h"
#include "model/leftovers.h"
#include "server/log.h"

struct bench {
    struct folder folder;
    struct registry *registry;
    struct keeper *keeper;
    struct keeper_options options;
};

/* net@1, net@2 and net@3 of which 1 is active; other@1. */
static void prepare(struct bench *bench) {
    *bench = (struct bench){.folder = folder_create(), .registry = registry_create()};
    model_folder_add(&bench->folder, "net", "2");
    model_folder_add(&bench->folder, "net", "3");
    model_folder_add(&bench->folder, "net", "1");
    model_folder_add(&bench->folder, "other", "1");
    bench->options = (struct keeper_options){.data_directory = bench->folder.path,
                                             .default_model = "net",
                                             .memory_bytes_max = UINT64_MAX};
}

static void open_keeper(struct bench *bench) {
    struct error err;
    if (keeper_open(&bench->options, bench->registry, &bench->keeper, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
}

static void finish(struct bench *bench) {
    keeper_close(bench->keeper);
    registry_close(bench->registry);
    folder_remove(&bench->folder);
}

static void bury(void *keeper, const struct model_version *version) {
    keeper_forget(keeper, version);
}

/* "net@1* other@1*": what is published, the active ones marked. */
static const char *published(const struct bench *bench) {
    static char text[256];
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < registry_count(bench->registry); i++) {
        const struct model_version *version = registry_at(bench->registry, i);
        length +=
            (size_t)snprintf(text + length, sizeof(text) - length, "%s%s@%s%s", i ? " " : "",
                             version->card.name, version->card.version, version->active ? "*" : "");
    }
    return text;
}

static const char *promoted(struct bench *bench, const char *name, const char *version) {
    struct keeper_change change;
    struct error err = {""};
    enum status status = keeper_promote(bench->keeper, name, version, &change, &err);
    keeper_apply(bench->registry, &change);
    registry_bury(bench->registry, bury, bench->keeper);
    return status_code(status);
}

/* Applies what a look finds; false: nothing. */
static bool followed(struct bench *bench) {
    struct keeper_change change;
    keeper_look(bench->keeper, &change);
    bool found = change.kind != KEEPER_NOTHING;
    keeper_apply(bench->registry, &change);
    registry_bury(bench->registry, bury, bench->keeper);
    return found;
}

static void set_active(const struct bench *bench, const char *version) {
    assert_int_equal(catalog_activate(bench->folder.path, "net", version, NULL), STATUS_OK);
}

static void a_promotion_is_on_disk_and_published(void **state) {
    (void)state;
    struct bench bench;
    char active[CARD_VERSION_MAX + 1];
    prepare(&bench);
    open_keeper(&bench);
    assert_string_equal(published(&bench), "net@1* other@1*");
    assert_string_equal(promoted(&bench, "net", "3"), "ok");
    assert_string_equal(published(&bench), "net@3* other@1*");
    assert_int_equal(catalog_active(bench.folder.path, "net", active, NULL), STATUS_OK);
    assert_string_equal(active, "3");
    assert_false(followed(&bench)); /* its own change is no difference */
    assert_string_equal(promoted(&bench, "net", "1"), "ok");
    assert_string_equal(published(&bench), "net@1* other@1*");
    assert_string_equal(promoted(&bench, "net", "9"), "unknown_model");
    assert_string_equal(promoted(&bench, "nobody", "1"), "unknown_model");
    finish(&bench);
}

static void the_active_version_is_not_loaded_again(void **state) {
    (void)state;
    struct bench bench;
    struct keeper_change change;
    prepare(&bench);
    open_keeper(&bench);
    assert_int_equal(keeper_promote(bench.keeper, "net", "1", &change, NULL), STATUS_OK);
    assert_int_equal(change.kind, KEEPER_NOTHING);
    set_active(&bench, "2"); /* another process was quicker, and this one is asked to stay */
    assert_int_equal(keeper_promote(bench.keeper, "net", "1", &change, NULL), STATUS_OK);
    assert_int_equal(change.kind, KEEPER_NOTHING);
    assert_false(followed(&bench));
    finish(&bench);
}

static void a_version_that_does_not_load_changes_nothing(void **state) {
    (void)state;
    struct bench bench;
    struct keeper_change change;
    struct error err;
    char active[CARD_VERSION_MAX + 1];
    prepare(&bench);
    folder_write_text(&bench.folder, "models/net/2/weights.safetensors", "altered");
    open_keeper(&bench);
    assert_int_equal(keeper_promote(bench.keeper, "net", "2", &change, &err), STATUS_NOT_LOADABLE);
    assert_int_equal(change.kind, KEEPER_NOTHING);
    assert_string_equal(err.detail,
                        "weights.safetensors: its SHA-256 is not the one in model.json: "
                        "the file was altered");
    assert_int_equal(catalog_active(bench.folder.path, "net", active, NULL), STATUS_OK);
    assert_string_equal(active, "1");
    assert_string_equal(published(&bench), "net@1* other@1*");
    finish(&bench);
}

static void an_active_that_cannot_be_written_changes_nothing(void **state) {
    (void)state;
    struct bench bench;
    struct keeper_change change;
    char path[128];
    prepare(&bench);
    open_keeper(&bench);
    snprintf(path, sizeof(path), "%s/models/net/active", bench.folder.path);
    assert_int_equal(remove(path), 0);
    folder_write_text(&bench.folder, "models/net/active/in-the-way", "");
    assert_int_equal(keeper_promote(bench.keeper, "net", "2", &change, NULL), STATUS_INTERNAL);
    assert_int_equal(change.kind, KEEPER_NOTHING);
    assert_false(keeper_has(bench.keeper, "net", "2"));
    assert_string_equal(published(&bench), "net@1* other@1*");
    finish(&bench);
}

static void a_promotion_of_another_process_is_followed(void **state) {
    (void)state;
    struct bench bench;
    prepare(&bench);
    open_keeper(&bench);
    assert_false(followed(&bench));
    set_active(&bench, "2");
    model_folder_add(&bench.folder, "a-new-one", "4");
    assert_true(followed(&bench));
    assert_true(followed(&bench));
    assert_false(followed(&bench));
    assert_string_equal(published(&bench), "a-new-one@4* net@2* other@1*");
    finish(&bench);
}

static void a_model_that_vanishes_is_withdrawn_unless_it_is_the_default(void **state) {
    (void)state;
    struct bench bench;
    char path[128], away[128];
    prepare(&bench);
    open_keeper(&bench);
    snprintf(path, sizeof(path), "%s/models/other", bench.folder.path);
    snprintf(away, sizeof(away), "%s/other", bench.folder.path);
    assert_int_equal(rename(path, away), 0);
    assert_true(followed(&bench));
    assert_string_equal(published(&bench), "net@1*");
    snprintf(path, sizeof(path), "%s/models/net", bench.folder.path);
    snprintf(away, sizeof(away), "%s/net", bench.folder.path);
    assert_int_equal(rename(path, away), 0);
    assert_false(followed(&bench));
    assert_string_equal(published(&bench), "net@1*");
    assert_int_equal(rename(away, path), 0);
    set_active(&bench, "3");
    assert_true(followed(&bench));
    assert_string_equal(published(&bench), "net@3*");
    finish(&bench);
}

static void a_directory_that_cannot_be_read_withdraws_nothing(void **state) {
    (void)state;
    struct bench bench;
    char path[128], away[128];
    prepare(&bench);
    open_keeper(&bench);
    snprintf(path, sizeof(path), "%s/models", bench.folder.path);
    snprintf(away, sizeof(away), "%s/away", bench.folder.path);
    assert_int_equal(rename(path, away), 0);
    assert_false(followed(&bench));
    assert_false(followed(&bench));
    assert_string_equal(published(&bench), "net@1* other@1*");
    finish(&bench);
}

static void what_is_broken_is_followed_once_it_is_repaired(void **state) {
    (void)state;
    struct bench bench;
    prepare(&bench);
    open_keeper(&bench);
    folder_write_text(&bench.folder, "models/net/2/weights.safetensors", "altered");
    set_active(&bench, "2");
    assert_false(followed(&bench));
    assert_false(followed(&bench));
    assert_string_equal(published(&bench), "net@1* other@1*");
    folder_write_text(&bench.folder, "models/net/2/weights.safetensors", MODEL_WEIGHTS);
    assert_true(followed(&bench));
    assert_string_equal(published(&bench), "net@2* other@1*");
    finish(&bench);
}

static void what_came_broken_and_went_is_forgotten(void **state) {
    (void)state;
    struct bench bench;
    char path[160], name[32];
    prepare(&bench);
    open_keeper(&bench);
    for (int i = 0; i < 2 * CATALOG_MODELS_MAX; i++) {
        snprintf(name, sizeof(name), "guest-%d", i);
        model_folder_add(&bench.folder, name, "1");
        snprintf(path, sizeof(path), "%s/models/%s/1/model.json", bench.folder.path, name);
        assert_int_equal(remove(path), 0);
        assert_false(followed(&bench));
        assert_int_equal(bench.keeper->failures_count, 1);
        snprintf(path, sizeof(path), "%s/models/%s", bench.folder.path, name);
        assert_true(leftovers_remove(path));
    }
    assert_string_equal(published(&bench), "net@1* other@1*");
    finish(&bench);
}

/* The stub declares the size of its weights. */
enum { COST = sizeof(MODEL_WEIGHTS) - 1 };

static void more_than_the_memory_is_refused_before_it_is_loaded(void **state) {
    (void)state;
    struct bench bench;
    struct error err;
    prepare(&bench);
    bench.options.memory_bytes_max = 2 * COST - 1;
    assert_int_equal(keeper_open(&bench.options, bench.registry, &bench.keeper, &err),
                     STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "other@1"));
    assert_non_null(strstr(err.detail, "--models-memory-max"));
    registry_close(bench.registry);
    bench.registry = registry_create();
    bench.options.memory_bytes_max = 2 * COST;
    open_keeper(&bench);
    assert_string_equal(promoted(&bench, "net", "2"), "not_loadable"); /* beside the old one */
    assert_string_equal(published(&bench), "net@1* other@1*");
    finish(&bench);
}

static void a_version_takes_memory_until_it_is_buried(void **state) {
    (void)state;
    struct bench bench;
    struct model_version *used;
    prepare(&bench);
    bench.options.memory_bytes_max = 3 * COST;
    open_keeper(&bench);
    assert_int_equal(registry_acquire(bench.registry, "net", &used, NULL), STATUS_OK);
    assert_string_equal(promoted(&bench, "net", "2"), "ok");
    assert_string_equal(promoted(&bench, "net", "3"), "not_loadable");
    set_active(&bench, "3");
    assert_false(followed(&bench));
    assert_false(followed(&bench));
    registry_release(bench.registry, used);
    registry_bury(bench.registry, bury, bench.keeper);
    assert_true(followed(&bench)); /* tried again, now that there is room */
    assert_string_equal(published(&bench), "net@3* other@1*");
    finish(&bench);
}

static void the_default_model_must_keep_the_default_rule(void **state) {
    (void)state;
    struct bench bench;
    struct error err;
    char json[2048];
    prepare(&bench);
    bench.options.default_max_fmr = 0.0001;
    model_card_text(json, sizeof(json), "net", "2",
                    ",{\"fmr\":0.0001,\"threshold\":0.4755,\"fnmr\":0.32}", "");
    folder_write_text(&bench.folder, "models/net/2/model.json", json);
    open_keeper(&bench);
    assert_string_equal(promoted(&bench, "net", "2"), "not_loadable");
    assert_string_equal(promoted(&bench, "net", "3"), "ok");
    finish(&bench);
    prepare(&bench);
    folder_write_text(&bench.folder, "models/net/2/model.json", json);
    set_active(&bench, "2");
    bench.options.default_max_fmr = 0.0001;
    assert_int_equal(keeper_open(&bench.options, bench.registry, &bench.keeper, &err),
                     STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "net@2 cannot decide at --default-max-fmr 0.0001"));
    finish(&bench);
}

static void pinned_versions_stay_loaded(void **state) {
    (void)state;
    struct bench bench;
    static const char *const pinned[] = {"net@2", "net@1", NULL};
    prepare(&bench);
    bench.options.pinned = pinned;
    open_keeper(&bench);
    assert_string_equal(published(&bench), "net@1* net@2 other@1*");
    assert_string_equal(promoted(&bench, "net", "3"), "ok");
    assert_string_equal(published(&bench), "net@1 net@2 net@3* other@1*");
    assert_string_equal(promoted(&bench, "net", "2"), "ok");
    assert_string_equal(published(&bench), "net@1 net@2* other@1*");
    finish(&bench);
}

static void what_is_pinned_must_be_there(void **state) {
    (void)state;
    static const char *const wrong[] = {"net@9", "net", "..@1", "net@x"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct bench bench;
        const char *const pinned[] = {wrong[i], NULL};
        prepare(&bench);
        bench.options.pinned = pinned;
        assert_int_equal(keeper_open(&bench.options, bench.registry, &bench.keeper, NULL),
                         STATUS_INTERNAL);
        finish(&bench);
    }
}

static void what_is_in_use_is_not_removed(void **state) {
    (void)state;
    struct bench bench;
    static const char *const pinned[] = {"net@2", NULL};
    prepare(&bench);
    bench.options.pinned = pinned;
    open_keeper(&bench);
    assert_int_equal(keeper_remove(bench.keeper, "net", "1", NULL), STATUS_ACTIVE_VERSION);
    assert_int_equal(keeper_remove(bench.keeper, "net", "2", NULL), STATUS_IN_USE);
    assert_int_equal(keeper_remove(bench.keeper, "net", "3", NULL), STATUS_OK);
    assert_int_equal(keeper_remove(bench.keeper, "net", "3", NULL), STATUS_UNKNOWN_MODEL);
    set_active(&bench, "2"); /* 1 serves on until the look */
    assert_int_equal(keeper_remove(bench.keeper, "net", "1", NULL), STATUS_IN_USE);
    assert_true(followed(&bench));
    assert_int_equal(keeper_remove(bench.keeper, "net", "1", NULL), STATUS_OK);
    finish(&bench);
}

static void the_list_tells_what_is_on_disk_and_what_is_loaded(void **state) {
    (void)state;
    struct bench bench;
    static const char *const pinned[] = {"net@2", NULL};
    struct keeper_entry *entries;
    size_t count;
    bool more;
    prepare(&bench);
    bench.options.pinned = pinned;
    open_keeper(&bench);
    assert_int_equal(keeper_list(bench.keeper, &entries, &count, &more, NULL), STATUS_OK);
    assert_int_equal(count, 4);
    assert_false(more);
    static const struct keeper_entry expected[] = {{"net", "1", true, true, false},
                                                   {"net", "2", false, true, true},
                                                   {"net", "3", false, false, false},
                                                   {"other", "1", true, true, false}};
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(entries[i].name, expected[i].name);
        assert_string_equal(entries[i].version, expected[i].version);
        assert_int_equal(entries[i].active, expected[i].active);
        assert_int_equal(entries[i].loaded, expected[i].loaded);
        assert_int_equal(entries[i].pinned, expected[i].pinned);
    }
    free(entries);
    finish(&bench);
}

static int quiet(void **state) {
    (void)state;
    log_set_level(LOG_OFF);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_promotion_is_on_disk_and_published),
        cmocka_unit_test(the_active_version_is_not_loaded_again),
        cmocka_unit_test(a_version_that_does_not_load_changes_nothing),
        cmocka_unit_test(an_active_that_cannot_be_written_changes_nothing),
        cmocka_unit_test(a_promotion_of_another_process_is_followed),
        cmocka_unit_test(a_model_that_vanishes_is_withdrawn_unless_it_is_the_default),
        cmocka_unit_test(a_directory_that_cannot_be_read_withdraws_nothing),
        cmocka_unit_test(what_is_broken_is_followed_once_it_is_repaired),
        cmocka_unit_test(what_came_broken_and_went_is_forgotten),
        cmocka_unit_test(more_than_the_memory_is_refused_before_it_is_loaded),
        cmocka_unit_test(a_version_takes_memory_until_it_is_buried),
        cmocka_unit_test(the_default_model_must_keep_the_default_rule),
        cmocka_unit_test(pinned_versions_stay_loaded),
        cmocka_unit_test(what_is_pinned_must_be_there),
        cmocka_unit_test(what_is_in_use_is_not_removed),
        cmocka_unit_test(the_list_tells_what_is_on_disk_and_what_is_loaded),
    };
    return cmocka_run_group_tests(tests, quiet, NULL);
}
