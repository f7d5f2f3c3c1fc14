#include "tests/unit/model_folder.h"

#include "model/registry.h"

static void loads_the_active_version_of_every_model(void **state) {
    (void)state;
    struct folder folder = folder_create();
    model_folder_add(&folder, "other", "1");
    model_folder_add(&folder, "dlib-resnet", "1");
    model_folder_add(&folder, "dlib-resnet", "2");
    folder_write_text(&folder, "models/notes.txt", "not a model");
    folder_write_text(&folder, "models/.new-abc/x", "being written");
    struct registry *registry;
    assert_int_equal(registry_open(folder.path, NULL, &registry, NULL), STATUS_OK);
    assert_int_equal(registry_count(registry), 2);
    assert_string_equal(registry_at(registry, 0)->card.name, "dlib-resnet");
    assert_string_equal(registry_at(registry, 0)->card.version, "2");
    assert_string_equal(registry_at(registry, 1)->card.name, "other");
    assert_true(registry_at(registry, 0)->active);
    assert_true(registry_at(registry, 0)->face_us > 0);
    registry_close(registry);
    folder_remove(&folder);
}

/* Acquires `model` of a registry with dlib-resnet@2 and other@1: "NAME@VERSION", or the code. */
static const char *acquired(struct registry *registry, const char *model) {
    static char text[128];
    struct model_version *version;
    struct error err;
    enum status status = registry_acquire(registry, model, &version, &err);
    if (status != STATUS_OK)
        return status_code(status);
    snprintf(text, sizeof(text), "%s@%s", version->card.name, version->card.version);
    registry_release(registry, version);
    return text;
}

static void finds_a_version_by_what_the_client_calls_it(void **state) {
    (void)state;
    struct folder folder = folder_create();
    model_folder_add(&folder, "other", "1");
    model_folder_add(&folder, "dlib-resnet", "1");
    model_folder_add(&folder, "dlib-resnet", "2");
    struct registry *registry;
    assert_int_equal(registry_open(folder.path, NULL, &registry, NULL), STATUS_OK);
    assert_string_equal(acquired(registry, NULL), "dlib-resnet@2");
    assert_string_equal(acquired(registry, "other"), "other@1");
    assert_string_equal(acquired(registry, "other@1"), "other@1");
    assert_string_equal(acquired(registry, "dlib-resnet@2"), "dlib-resnet@2");
    assert_string_equal(acquired(registry, "dlib-resnet@1"), "unknown_model");
    assert_string_equal(acquired(registry, "nobody"), "unknown_model");
    static const char *const malformed[] = {"",     "@1", "a@",  "a@0",   "a@1@2",
                                            "../a", "A",  "a@x", "a b@1", "a@ 1"};
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
        assert_string_equal(acquired(registry, malformed[i]), "invalid_name");
    registry_close(registry);
    assert_int_equal(registry_open(folder.path, "other", &registry, NULL), STATUS_OK);
    assert_string_equal(acquired(registry, NULL), "other@1");
    registry_close(registry);
    folder_remove(&folder);
}

static enum status try_open(const struct folder *folder, const char *default_model,
                            struct error *err) {
    struct registry *registry;
    enum status status = registry_open(folder->path, default_model, &registry, err);
    if (status == STATUS_OK)
        registry_close(registry);
    return status;
}

static void the_default_must_be_there(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct error err;
    model_folder_add(&folder, "one", "1");
    assert_int_equal(try_open(&folder, NULL, NULL), STATUS_OK);
    assert_int_equal(try_open(&folder, "two", &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "two"));
    model_folder_add(&folder, "two", "1");
    assert_int_equal(try_open(&folder, "two", NULL), STATUS_OK);
    assert_int_equal(try_open(&folder, NULL, &err), STATUS_INTERNAL);
    folder_remove(&folder);
}

static void altered_weights_are_refused_by_name(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct error err;
    model_folder_add(&folder, "one", "1");
    folder_write_text(&folder, "models/one/1/weights.safetensors", MODEL_WEIGHTS "!");
    assert_int_equal(try_open(&folder, NULL, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "/models/one/1/weights.safetensors"));
    assert_non_null(strstr(err.detail, "altered"));
    folder_remove(&folder);
}

static void a_missing_file_is_refused_by_name(void **state) {
    (void)state;
    static const char *const files[] = {"active", "1/model.json", "1/weights.safetensors"};
    for (size_t i = 0; i < 3; i++) {
        struct folder folder = folder_create();
        struct error err;
        char path[128];
        model_folder_add(&folder, "one", "1");
        snprintf(path, sizeof(path), "%s/models/one/%s", folder.path, files[i]);
        assert_int_equal(remove(path), 0);
        assert_int_equal(try_open(&folder, NULL, &err), STATUS_INTERNAL);
        assert_non_null(strstr(err.detail, path));
        folder_remove(&folder);
    }
}

static void an_active_file_must_name_a_version(void **state) {
    (void)state;
    static const char *const texts[] = {"", "\n", "../1", "01", "1 2"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct folder folder = folder_create();
        struct error err;
        model_folder_add(&folder, "one", "1");
        folder_write_text(&folder, "models/one/active", texts[i]);
        assert_int_equal(try_open(&folder, NULL, &err), STATUS_INTERNAL);
        assert_non_null(strstr(err.detail, "/models/one/active"));
        folder_remove(&folder);
    }
}

static void a_directory_without_models_is_refused(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct error err;
    assert_int_equal(try_open(&folder, NULL, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "/models: No such file or directory"));
    folder_write_text(&folder, "models/README", "");
    assert_int_equal(try_open(&folder, NULL, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "import"));
    folder_write_text(&folder, "models/Upper/active", "1");
    assert_int_equal(try_open(&folder, NULL, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "/models/Upper"));
    folder_remove(&folder);
}

static void one_version_can_be_opened_though_it_is_not_active(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct registry *registry;
    struct model_version *version;
    model_folder_add(&folder, "net", "3");
    model_folder_add(&folder, "net", "4"); /* the active one now */
    model_folder_add(&folder, "other", "1");
    assert_int_equal(registry_open_one(folder.path, "net@3", &registry, NULL), STATUS_OK);
    assert_int_equal(registry_count(registry), 1);
    assert_int_equal(registry_acquire(registry, "net@3", &version, NULL), STATUS_OK);
    assert_string_equal(version->card.version, "3");
    assert_false(version->active);
    registry_release(registry, version);
    registry_close(registry);
    assert_int_equal(registry_open_one(folder.path, "net", &registry, NULL), STATUS_OK);
    assert_int_equal(registry_acquire(registry, NULL, &version, NULL), STATUS_OK);
    assert_string_equal(version->card.version, "4");
    assert_true(version->active);
    registry_release(registry, version);
    registry_close(registry);
    folder_remove(&folder);
}

static void one_version_that_is_not_there_is_an_error(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct registry *registry;
    struct error err = {""};
    model_folder_add(&folder, "net", "3");
    assert_int_equal(registry_open_one(folder.path, "net@9", &registry, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "net/9"));
    assert_int_equal(registry_open_one(folder.path, "../net", &registry, &err),
                     STATUS_INVALID_NAME);
    folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_the_active_version_of_every_model),
        cmocka_unit_test(finds_a_version_by_what_the_client_calls_it),
        cmocka_unit_test(the_default_must_be_there),
        cmocka_unit_test(altered_weights_are_refused_by_name),
        cmocka_unit_test(a_missing_file_is_refused_by_name),
        cmocka_unit_test(an_active_file_must_name_a_version),
        cmocka_unit_test(a_directory_without_models_is_refused),
        cmocka_unit_test(one_version_can_be_opened_though_it_is_not_active),
        cmocka_unit_test(one_version_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
