#include "tests/unit/model_folder.h"

#include "model/registry.h"

#include <pthread.h>

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

/* ---- publishing ---- */

static struct model_version *loaded(const struct folder *folder, const char *name,
                                    const char *number) {
    char path[128];
    struct model_version *version;
    struct error err;
    snprintf(path, sizeof(path), "%s/models/%s/%s", folder->path, name, number);
    if (model_version_read(path, &version, &err) != STATUS_OK ||
        model_version_load(path, version, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return version;
}

/* net@1, active and the default. */
static struct registry *registry_of_net(const struct folder *folder) {
    struct registry *registry = registry_create();
    model_folder_add(folder, "net", "1");
    model_folder_add(folder, "net", "2");
    registry_publish(registry, loaded(folder, "net", "1"));
    registry_activate(registry, "net", "1");
    registry_set_default(registry, "net");
    return registry;
}

struct buried {
    unsigned count;
    char last[CARD_VERSION_MAX + 1];
};

static void note_buried(void *context, const struct model_version *version) {
    struct buried *buried = context;
    buried->count++;
    memcpy(buried->last, version->card.version, sizeof(buried->last));
}

static void a_version_outlives_its_successors_publication_while_it_is_used(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct registry *registry = registry_of_net(&folder);
    struct model_version *first, *again, *second;
    struct buried buried = {0};
    assert_int_equal(registry_acquire(registry, NULL, &first, NULL), STATUS_OK);
    assert_int_equal(registry_acquire(registry, "net@1", &again, NULL), STATUS_OK);
    assert_ptr_equal(first, again);
    registry_publish(registry, loaded(&folder, "net", "2"));
    assert_string_equal(acquired(registry, NULL), "net@1"); /* not active yet */
    registry_activate(registry, "net", "2");
    assert_int_equal(registry_acquire(registry, NULL, &second, NULL), STATUS_OK);
    assert_string_equal(second->card.version, "2");
    assert_string_equal(acquired(registry, "net@1"), "unknown_model");
    registry_release(registry, first);
    registry_bury(registry, note_buried, &buried);
    assert_int_equal(buried.count, 0);
    float face[3 * MODEL_SIDE * MODEL_SIDE] = {0}, out[MODEL_LENGTH];
    assert_int_equal(network_embed(again->network, face, 1, out, NULL), STATUS_OK);
    registry_release(registry, again);
    registry_bury(registry, note_buried, &buried);
    assert_int_equal(buried.count, 1);
    assert_string_equal(buried.last, "1");
    registry_release(registry, second);
    registry_bury(registry, note_buried, &buried);
    assert_int_equal(buried.count, 1);
    registry_close(registry);
    folder_remove(&folder);
}

static void a_pinned_version_stays_published(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct registry *registry = registry_of_net(&folder);
    struct model_version *second = loaded(&folder, "net", "2");
    second->pinned = true;
    registry_publish(registry, second);
    assert_string_equal(acquired(registry, "net@2"), "net@2");
    assert_string_equal(acquired(registry, "net"), "net@1");
    registry_activate(registry, "net", "2");
    assert_int_equal(registry_count(registry), 1);
    registry_publish(registry, loaded(&folder, "net", "1"));
    registry_activate(registry, "net", "1");
    assert_int_equal(registry_count(registry), 2);
    assert_string_equal(registry_at(registry, 1)->card.version, "2");
    assert_false(registry_at(registry, 1)->active);
    registry_close(registry);
    folder_remove(&folder);
}

static void a_withdrawn_model_is_unknown(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct registry *registry = registry_of_net(&folder);
    model_folder_add(&folder, "other", "10");
    model_folder_add(&folder, "other", "9");
    registry_publish(registry, loaded(&folder, "other", "10"));
    registry_publish(registry, loaded(&folder, "other", "9"));
    assert_string_equal(registry_at(registry, 1)->card.version, "9");
    assert_string_equal(acquired(registry, "other"), "unknown_model"); /* none is active */
    registry_activate(registry, "other", "10");
    assert_string_equal(acquired(registry, "other"), "other@10");
    registry_withdraw(registry, "other");
    assert_string_equal(acquired(registry, "other@9"), "unknown_model");
    assert_string_equal(acquired(registry, NULL), "net@1");
    registry_close(registry);
    folder_remove(&folder);
}

static void a_version_warmed_up_under_load_costs_no_more_than_its_predecessor(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct registry *registry = registry_of_net(&folder);
    struct model_version *second = loaded(&folder, "net", "2"), *first;
    assert_int_equal(registry_acquire(registry, NULL, &first, NULL), STATUS_OK);
    first->face_us = 5000;
    second->face_us = 60000;
    registry_release(registry, first);
    registry_publish(registry, second);
    registry_activate(registry, "net", "2");
    assert_int_equal(second->face_us, 5000);
    registry_close(registry);
    folder_remove(&folder);
}

/* ---- with threads: what is acquired on one is released on others and buried on a third ---- */

enum { SWAPS = 200, RELEASERS = 3, HELD_MAX = 64 };

struct traffic {
    struct registry *registry;
    pthread_mutex_t lock;
    struct model_version *held[HELD_MAX];
    unsigned count;
    bool ended;
    struct buried buried;
};

static bool give(struct traffic *traffic, struct model_version *version) {
    pthread_mutex_lock(&traffic->lock);
    bool room = traffic->count < HELD_MAX;
    if (room)
        traffic->held[traffic->count++] = version;
    pthread_mutex_unlock(&traffic->lock);
    return room;
}

/* False: nothing is held and no more will be. */
static bool take(struct traffic *traffic, struct model_version **version) {
    pthread_mutex_lock(&traffic->lock);
    *version = traffic->count > 0 ? traffic->held[--traffic->count] : NULL;
    bool more = *version || !traffic->ended;
    pthread_mutex_unlock(&traffic->lock);
    return more;
}

static void *release_all(void *argument) {
    struct traffic *traffic = argument;
    struct model_version *version;
    while (take(traffic, &version)) {
        if (!version)
            continue;
        assert_true(version->card.name[0] == 'n'); /* it is there */
        registry_release(traffic->registry, version);
    }
    return NULL;
}

static void *bury_all(void *argument) {
    struct traffic *traffic = argument;
    bool more = true;
    while (more) {
        pthread_mutex_lock(&traffic->lock);
        more = !traffic->ended;
        pthread_mutex_unlock(&traffic->lock);
        registry_bury(traffic->registry, note_buried, &traffic->buried);
    }
    return NULL;
}

static void swaps_under_traffic_close_each_version_once(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct traffic traffic = {.registry = registry_of_net(&folder),
                              .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[RELEASERS + 1];
    for (int i = 0; i < RELEASERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, release_all, &traffic), 0);
    assert_int_equal(pthread_create(&threads[RELEASERS], NULL, bury_all, &traffic), 0);
    for (int swap = 1; swap <= SWAPS; swap++) {
        const char *number = swap % 2 ? "2" : "1";
        registry_publish(traffic.registry, loaded(&folder, "net", number));
        registry_activate(traffic.registry, "net", number);
        for (int i = 0; i < 20; i++) {
            struct model_version *version;
            assert_int_equal(registry_acquire(traffic.registry, NULL, &version, NULL), STATUS_OK);
            assert_string_equal(version->card.version, number);
            if (!give(&traffic, version))
                registry_release(traffic.registry, version);
        }
    }
    pthread_mutex_lock(&traffic.lock);
    traffic.ended = true;
    pthread_mutex_unlock(&traffic.lock);
    for (int i = 0; i <= RELEASERS; i++)
        pthread_join(threads[i], NULL);
    registry_bury(traffic.registry, note_buried, &traffic.buried);
    assert_int_equal(traffic.buried.count, SWAPS); /* all but the last */
    registry_close(traffic.registry);
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
        cmocka_unit_test(a_version_outlives_its_successors_publication_while_it_is_used),
        cmocka_unit_test(a_pinned_version_stays_published),
        cmocka_unit_test(a_withdrawn_model_is_unknown),
        cmocka_unit_test(a_version_warmed_up_under_load_costs_no_more_than_its_predecessor),
        cmocka_unit_test(swaps_under_traffic_close_each_version_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
