/* Modules of the operator's own: imported with a card by hand, run only where their hash is
 * trusted, with the embeddings that PyTorch gives (tests/parity/vit/torchscript, made by
 * golden.py). */
#include "tests/unit/folder.h"

#include "model/file.h"
#include "model/import/torchscript.h"
#include "model/network/network.h"
#include "model/registry.h"
#include "model/safetensors.h"

#include <math.h>

#define GOLDEN FACEPAIR_SOURCE_DIR "/tests/parity/vit/torchscript/"
enum { IMAGES = 2, LENGTH = 8 };

static enum status import(const struct folder *folder, const char *card, struct error *err) {
    const struct import_torchscript_options options = {.module_path = GOLDEN "module.pt",
                                                       .card_path = card,
                                                       .data_directory = folder->path,
                                                       .name = "pooled"};
    return import_torchscript(&options, err);
}

static struct folder imported(struct card *card) {
    struct folder folder = folder_create();
    char version[128];
    struct error err;
    snprintf(version, sizeof(version), "%s/models/pooled/1", folder.path);
    if (import(&folder, GOLDEN "card.json", &err) != STATUS_OK ||
        card_read(version, card, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return folder;
}

static void a_module_is_refused_until_its_hash_is_trusted(void **state) {
    (void)state;
    struct card card;
    struct registry *registry;
    struct error err;
    struct folder folder = imported(&card);
    assert_string_equal(card.architecture, "torchscript");
    assert_string_equal(card.weights_file, "module.pt");
    assert_int_equal(network_trust_torchscript(
                         "0000000000000000000000000000000000000000000000000000000000000000", &err),
                     STATUS_OK);
    assert_int_equal(registry_open(folder.path, NULL, &registry, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, card.weights_sha256));

    assert_int_equal(network_trust_torchscript(card.weights_sha256, &err), STATUS_OK);
    if (registry_open(folder.path, NULL, &registry, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    registry_close(registry);
    card_release(&card);
    folder_remove(&folder);
}

static void its_embeddings_are_pytorchs(void **state) {
    (void)state;
    struct card card;
    struct network *network = NULL;
    struct safetensors *expected = NULL;
    struct error err;
    struct folder folder = imported(&card);
    char path[128];
    snprintf(path, sizeof(path), "%s/models/pooled/1/module.pt", folder.path);
    assert_int_equal(network_trust_torchscript(card.weights_sha256, &err), STATUS_OK);
    if (network_open(&card, path, &network, &err) != STATUS_OK ||
        safetensors_open(GOLDEN "expected.safetensors", &expected, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    float out[IMAGES * LENGTH];
    const float *wanted = safetensors_find(expected, "embedding")->data;
    for (int repeat = 0; repeat < 3; repeat++) { /* its dropout must be off */
        assert_int_equal(
            network_embed(network, safetensors_find(expected, "input")->data, IMAGES, out, NULL),
            STATUS_OK);
        for (size_t i = 0; i < IMAGES * LENGTH; i++)
            assert_true(fabs((double)out[i] - (double)wanted[i]) <= 1e-5);
    }
    network_close(network);
    safetensors_close(expected);
    card_release(&card);
    folder_remove(&folder);
}

static void an_altered_module_is_refused(void **state) {
    (void)state;
    struct card card;
    struct registry *registry;
    struct error err;
    struct folder folder = imported(&card);
    char path[128];
    snprintf(path, sizeof(path), "%s/models/pooled/1/module.pt", folder.path);
    FILE *file = fopen(path, "ab");
    assert_non_null(file);
    fputc('x', file);
    fclose(file);
    assert_int_equal(network_trust_torchscript(card.weights_sha256, &err), STATUS_OK);
    assert_int_equal(registry_open(folder.path, NULL, &registry, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "SHA-256"));
    card_release(&card);
    folder_remove(&folder);
}

/* As when it was exchanged after the registry had looked at it. */
static void a_module_is_what_was_hashed_or_is_not_run(void **state) {
    (void)state;
    struct card card;
    struct network *network = NULL;
    struct error err;
    struct folder folder = imported(&card);
    char path[128], *module;
    size_t size;
    snprintf(path, sizeof(path), "%s/models/pooled/1/module.pt", folder.path);
    assert_int_equal(file_read(path, 1 << 20, &module, &size, &err), STATUS_OK);
    /* Of the archive's end, a comment: PyTorch would load it all the same. */
    assert_memory_equal(module + size - 2, "\0\0", 2);
    module[size - 2] = 1;
    folder_write(&folder, "models/pooled/1/module.pt", module, size + 1);
    free(module);
    assert_int_equal(network_trust_torchscript(card.weights_sha256, &err), STATUS_OK);
    assert_int_equal(network_open(&card, path, &network, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "SHA-256"));
    card_release(&card);
    folder_remove(&folder);
}

static void a_card_with_a_mistake_is_named_and_nothing_is_left(void **state) {
    (void)state;
    static const struct {
        const char *card, *told;
    } cards[] = {
        {"{}", "input: is missing"},
        {"{\"input\":{\"kind\":\"chip\",\"side\":16,\"padding\":0.25,\"mean\":[0,0,0],"
         "\"std\":[1,1,1]}}",
         "embedding: is missing"},
        {"[]", "is not an object"},
        {"{", "line 1"},
    };
    for (size_t i = 0; i < sizeof(cards) / sizeof(cards[0]); i++) {
        struct folder folder = folder_create();
        struct error err;
        char path[128];
        snprintf(path, sizeof(path), "%s/card.json", folder.path);
        folder_write_text(&folder, "card.json", cards[i].card);
        assert_int_equal(import(&folder, path, &err), STATUS_INTERNAL);
        if (!strstr(err.detail, cards[i].told) || !strstr(err.detail, "/card.json: "))
            fail_msg("\"%s\" does not tell \"%s\"", err.detail, cards[i].told);
        snprintf(path, sizeof(path), "%s/models", folder.path);
        assert_int_equal(rmdir(path), 0); /* only an empty one can be */
        folder_remove(&folder);
    }
}

static int open_runtime(void **state) {
    (void)state;
    struct error err;
    return network_runtime_open("cpu", 1, &err) == STATUS_OK ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_module_is_refused_until_its_hash_is_trusted),
        cmocka_unit_test(its_embeddings_are_pytorchs),
        cmocka_unit_test(an_altered_module_is_refused),
        cmocka_unit_test(a_module_is_what_was_hashed_or_is_not_run),
        cmocka_unit_test(a_card_with_a_mistake_is_named_and_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, open_runtime, NULL);
}
