/* Importing vision transformers: what is taken, what is refused, what is left on disk. That the
 * numbers are right is for tests/parity/test_vit_parity.c. */
#include "folder.h"

#include "model/file.h"
#include "model/import/vit.h"
#include "model/import/vit_config.h"
#include "model/safetensors.h"

#include <dirent.h>
#include <math.h>

#define GOLDEN FACEPAIR_SOURCE_DIR "/tests/parity/vit/notebook/"
enum { TENSORS = 34, ROOM = TENSORS + 2 };

/* The golden network's tensors, to be changed and written again. */
struct network {
    struct safetensors *file;
    struct safetensors_tensor tensors[ROOM];
    size_t count;
    float own[32 * 96]; /* the data of one changed tensor */
};

static void network_read(struct network *network) {
    struct error err;
    if (safetensors_open(GOLDEN "weights.safetensors", &network->file, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    network->count = safetensors_count(network->file);
    assert_int_equal(network->count, TENSORS);
    memcpy(network->tensors, safetensors_all(network->file), TENSORS * sizeof(network->tensors[0]));
}

static struct safetensors_tensor *network_find(struct network *network, const char *name) {
    for (size_t i = 0; i < network->count; i++)
        if (strcmp(network->tensors[i].name, name) == 0)
            return &network->tensors[i];
    fail_msg("no %s", name);
    return NULL;
}

static void network_write(struct network *network, const struct folder *folder) {
    char path[128];
    snprintf(path, sizeof(path), "%s/weights", folder->path);
    assert_int_equal(safetensors_write(path, network->tensors, network->count, NULL), STATUS_OK);
    safetensors_close(network->file);
}

static bool exists(const struct folder *folder, const char *name) {
    char path[192];
    snprintf(path, sizeof(path), "%s/%s", folder->path, name);
    return access(path, F_OK) == 0;
}

/* What stands in FOLDER/name, hidden or not; 0 where there is no such directory. */
static int entries(const struct folder *folder, const char *name) {
    char path[192];
    snprintf(path, sizeof(path), "%s/%s", folder->path, name);
    DIR *directory = opendir(path);
    int count = 0;
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count > 2 ? count - 2 : 0; /* "." and ".." */
}

/* FOLDER/weights with FOLDER/config, or with the golden one, into FOLDER. */
static enum status import(const struct folder *folder, const char *name, struct error *err) {
    char weights[128], config[128];
    snprintf(weights, sizeof(weights), "%s/weights", folder->path);
    snprintf(config, sizeof(config), "%s/config", folder->path);
    const struct import_vit_options options = {
        .weights_path = exists(folder, "weights") ? weights : GOLDEN "weights.safetensors",
        .config_path = exists(folder, "config") ? config : GOLDEN "config.json",
        .data_directory = folder->path,
        .name = name,
        .input = CARD_INPUT_CHIP};
    return import_vit(&options, err);
}

/* What is refused leaves nothing behind. */
static void refuses(const struct folder *folder, const char *told) {
    struct error err;
    assert_int_equal(import(folder, NULL, &err), STATUS_INTERNAL);
    bool named = strstr(err.detail, folder->path) || strstr(err.detail, GOLDEN);
    if (!strstr(err.detail, told) || !named)
        fail_msg("\"%s\" does not tell \"%s\"", err.detail, told);
    assert_int_equal(entries(folder, "models"), 0);
    folder_remove(folder);
}

static void a_second_import_is_the_next_version_and_not_the_active_one(void **state) {
    (void)state;
    struct folder folder = folder_create();
    assert_int_equal(import(&folder, "mine", NULL), STATUS_OK);
    assert_int_equal(import(&folder, "mine", NULL), STATUS_OK);
    char path[128], *active;
    size_t size;
    struct card card;
    for (int version = 1; version <= 2; version++) {
        snprintf(path, sizeof(path), "%s/models/mine/%d", folder.path, version);
        assert_int_equal(card_read(path, &card, NULL), STATUS_OK);
        assert_true(card.input.kind == CARD_INPUT_CHIP && card.input.padding == 0.25);
        card_release(&card);
    }
    snprintf(path, sizeof(path), "%s/models/mine/active", folder.path);
    assert_int_equal(file_read(path, 16, &active, &size, NULL), STATUS_OK);
    assert_string_equal(active, "1\n");
    free(active);
    assert_int_equal(entries(&folder, "models"), 1);
    assert_int_equal(entries(&folder, "models/mine"), 4); /* 1, 2, active, largest */
    folder_remove(&folder);
}

/* A name of a file is any bytes. */
static void the_card_of_a_file_whose_name_is_no_text_can_be_read(void **state) {
    (void)state;
    struct folder folder = folder_create();
    char path[128], *weights;
    size_t size;
    struct card card;
    assert_int_equal(file_read(GOLDEN "weights.safetensors", 1 << 20, &weights, &size, NULL),
                     STATUS_OK);
    folder_write(&folder,
                 "gr\xFC\xDF"
                 "e",
                 weights, size);
    free(weights);
    snprintf(path, sizeof(path),
             "%s/gr\xFC\xDF"
             "e",
             folder.path);
    const struct import_vit_options options = {.weights_path = path,
                                               .config_path = GOLDEN "config.json",
                                               .data_directory = folder.path,
                                               .input = CARD_INPUT_CHIP};
    assert_int_equal(import_vit(&options, NULL), STATUS_OK);
    snprintf(path, sizeof(path), "%s/models/vit/1", folder.path);
    assert_int_equal(card_read(path, &card, NULL), STATUS_OK);
    assert_non_null(strstr(card.json, "\"file\": \"gr\xEF\xBF\xBD\xEF\xBF\xBD"
                                      "e\""));
    card_release(&card);
    folder_remove(&folder);
}

static void a_classifier_is_left_out(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct network network;
    network_read(&network);
    network.tensors[network.count] = *network_find(&network, "fc_norm.bias");
    network.tensors[network.count++].name = "head.bias";
    network_write(&network, &folder);
    assert_int_equal(import(&folder, NULL, NULL), STATUS_OK);
    char path[128];
    struct safetensors *written;
    snprintf(path, sizeof(path), "%s/models/vit/1/weights.safetensors", folder.path);
    assert_int_equal(safetensors_open(path, &written, NULL), STATUS_OK);
    assert_int_equal(safetensors_count(written), TENSORS);
    assert_null(safetensors_find(written, "head.bias"));
    safetensors_close(written);
    folder_remove(&folder);
}

static void refuses_a_tensor_that_is_missing(void **state) {
    (void)state;
    static const char *const names[] = {"blocks.1.mlp.fc2.bias", "blocks.0.norm2.weight",
                                        "blocks.1.ls2.gamma", "fc_norm.bias",
                                        "patch_embed.proj.bias"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct folder folder = folder_create();
        struct network network;
        char told[64];
        network_read(&network);
        *network_find(&network, names[i]) = network.tensors[--network.count];
        network_write(&network, &folder);
        snprintf(told, sizeof(told), "the tensor %s is missing", names[i]);
        refuses(&folder, told);
    }
}

static void refuses_a_tensor_of_no_use(void **state) {
    (void)state;
    static const char *const names[] = {"blocks.0.attn.q_norm.weight", "norm.weight",
                                        "norm_pre.weight", "attn_pool.latent"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct folder folder = folder_create();
        struct network network;
        char told[64];
        network_read(&network);
        network.tensors[network.count] = *network_find(&network, "fc_norm.bias");
        network.tensors[network.count++].name = names[i];
        network_write(&network, &folder);
        snprintf(told, sizeof(told), "%s is of no use", names[i]);
        refuses(&folder, told);
    }
}

static void refuses_a_tensor_of_another_shape(void **state) {
    (void)state;
    static const struct {
        const char *name, *told;
        uint32_t rank;
        uint64_t shape[4];
    } changes[] = {
        {"blocks.0.attn.qkv.weight", "another shape", 2, {32, 96}},
        {"blocks.1.norm1.bias", "another shape", 2, {32, 1}},
        {"blocks.1.mlp.fc1.weight", "another shape", 2, {48, 64}},
        {"blocks.0.mlp.fc1.weight", "no such tensor", 1, {3072}},
        {"pos_embed", "position embedding has 8 rows", 3, {1, 8, 64}},
        {"reg_token", "another shape", 3, {1, 8, 16}},
        {"patch_embed.proj.weight", "another shape", 4, {32, 12, 2, 8}},
        {"patch_embed.proj.weight", "no such tensor", 4, {0, 3, 8, 8}},
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct folder folder = folder_create();
        struct network network;
        network_read(&network);
        struct safetensors_tensor *tensor = network_find(&network, changes[i].name);
        tensor->rank = changes[i].rank;
        memcpy(tensor->shape, changes[i].shape, sizeof(changes[i].shape));
        network_write(&network, &folder);
        refuses(&folder, changes[i].told);
    }
}

static void refuses_a_value_that_is_not_finite(void **state) {
    (void)state;
    static const float values[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        struct folder folder = folder_create();
        struct network network;
        network_read(&network);
        struct safetensors_tensor *tensor = network_find(&network, "blocks.1.mlp.fc1.weight");
        memcpy(network.own, tensor->data, sizeof(network.own));
        network.own[1234] = values[i];
        tensor->data = network.own;
        network_write(&network, &folder);
        refuses(&folder, "blocks.1.mlp.fc1.weight holds a value that is not finite");
    }
}

static void refuses_files_that_are_cut_off_or_something_else(void **state) {
    (void)state;
    char *bytes;
    size_t size;
    assert_int_equal(file_read(GOLDEN "weights.safetensors", 1 << 20, &bytes, &size, NULL),
                     STATUS_OK);
    const size_t kept[] = {0, 7, 8, 1000, size - 1};
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        struct folder folder = folder_create();
        folder_write(&folder, "weights", bytes, kept[i]);
        refuses(&folder, "/weights: ");
    }
    free(bytes);
    struct folder folder = folder_create();
    folder_write_text(&folder, "weights", "PK\3\4 and then nothing of a ZIP archive");
    refuses(&folder, "not a ZIP archive");
}

/* config.json with `text` in the place of `part`. */
static struct folder with_config(const char *part, const char *text) {
    struct folder folder = folder_create();
    char *config, changed[2048];
    size_t size;
    assert_int_equal(file_read(GOLDEN "config.json", 2048, &config, &size, NULL), STATUS_OK);
    const char *at = strstr(config, part);
    assert_non_null(at);
    snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - config), config, text,
             at + strlen(part));
    folder_write_text(&folder, "config", changed);
    free(config);
    return folder;
}

static void refuses_configurations_of_other_networks(void **state) {
    (void)state;
    static const struct {
        const char *part, *text, *told;
    } changes[] = {
        {"vit_mediumd_patch16_reg4_gap_256", "vit_base_patch16_clip_224", "plain vision"},
        {"vit_mediumd_patch16_reg4_gap_256", "vit_base_patch32_siglip_gap_256", "plain vision"},
        {"vit_mediumd_patch16_reg4_gap_256", "vit_huge_patch14_xp_224", "plain vision"},
        {"vit_mediumd_patch16_reg4_gap_256", "resnet50", "plain vision"},
        {"\"architecture\"", "\"architectures\"", "architecture: is missing"},
        {"\"num_heads\": 2", "\"num_heads\": 3", "not a multiple of 3 heads"},
        {"\"num_heads\": 2", "\"num_heads\": 0", "num_heads"},
        {"\"global_pool\": \"avg\"", "\"global_pool\": \"map\"", "\"map\""},
        {"\"global_pool\": \"avg\"\n", "\"global_pool\": \"token\"\n", "no class token"},
        {"\"bicubic\"", "\"bilinear\"", "bilinear"},
        {"\"center\"", "\"squash\"", "squash"},
        {"32,\n      32", "32,\n      48", "input_size"},
        {"32,\n      32", "8,\n      8", "a side below 16"},
        {"32,\n      32", "64,\n      64", "a side of 64 needs 64"},
        {"32,\n      32", "36,\n      36", "not a multiple of the patch"},
        {"\"crop_pct\": 0.95", "\"crop_pct\": 0", "crop_pct"},
        {"{", "[", "line 2"},
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct folder folder = with_config(changes[i].part, changes[i].text);
        refuses(&folder, changes[i].told);
    }
}

static uint32_t heads_of(const char *architecture) {
    struct folder folder = with_config("\"num_heads\": 2,", "");
    char path[128], *text, changed[2048];
    size_t size;
    struct vit_config config;
    snprintf(path, sizeof(path), "%s/config", folder.path);
    assert_int_equal(file_read(path, 2048, &text, &size, NULL), STATUS_OK);
    const char *name = "vit_mediumd_patch16_reg4_gap_256", *at = strstr(text, name);
    snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, architecture,
             at + strlen(name));
    folder_write_text(&folder, "config", changed);
    free(text);
    bool read = vit_config_read(path, &config, NULL) == STATUS_OK;
    folder_remove(&folder);
    return read ? config.heads : 0;
}

/* As timm 1.0.31 builds them. */
static void knows_the_number_of_heads_by_the_architectures_name(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint32_t heads;
    } known[] = {
        {"vit_mediumd_patch16_reg4_gap_256", 8},
        {"vit_tiny_patch16_224", 3},
        {"vit_small_patch14_reg4_dinov2", 6},
        {"vit_base_patch16_224", 12},
        {"vit_base_patch16_gap_224", 16},
        {"vit_base_patch16_reg4_gap_256", 12},
        {"vit_so150m2_patch16_reg1_gap_448", 13},
        {"vit_so150m_patch16_reg4_gap_256", 14},
        {"vit_betwixt_patch16_reg4_gap_384", 10},
        {"vit_huge_patch14_gap_224", 16},
        {"vit_little_patch16_reg1_gap_256", 5},
        {"vit_dwee_patch16_reg1_gap_256", 4},
        {"vit_giant_patch14_224", 16},
        {"vit_base_patch16_plus_240", 0},
        {"vit_pwee_patch16_reg1_gap_256", 0},
        {"vit_base", 12},
        {"vit", 0},
        {"vit_", 0},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (heads_of(known[i].name) != known[i].heads)
            fail_msg("%s: %u heads", known[i].name, heads_of(known[i].name));
}

static void without_a_configuration_it_must_be_the_notebooks_network(void **state) {
    (void)state;
    struct folder folder = folder_create();
    const struct import_vit_options options = {.weights_path = GOLDEN "weights.pth",
                                               .data_directory = folder.path,
                                               .input = CARD_INPUT_FRAME};
    struct error err;
    assert_int_equal(import_vit(&options, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "a side of 256 needs 1024"));
    folder_remove(&folder);
}

static void refuses_names_that_leave_the_folder(void **state) {
    (void)state;
    static const char *const names[] = {"..", "../x", "a/b", "A", "", ".x"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct folder folder = folder_create();
        struct error err;
        assert_int_equal(import(&folder, names[i], &err), STATUS_INTERNAL);
        assert_non_null(strstr(err.detail, "cannot be a model's name"));
        assert_false(exists(&folder, "models"));
        folder_remove(&folder);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_import_is_the_next_version_and_not_the_active_one),
        cmocka_unit_test(the_card_of_a_file_whose_name_is_no_text_can_be_read),
        cmocka_unit_test(a_classifier_is_left_out),
        cmocka_unit_test(refuses_a_tensor_that_is_missing),
        cmocka_unit_test(refuses_a_tensor_of_no_use),
        cmocka_unit_test(refuses_a_tensor_of_another_shape),
        cmocka_unit_test(refuses_a_value_that_is_not_finite),
        cmocka_unit_test(refuses_files_that_are_cut_off_or_something_else),
        cmocka_unit_test(refuses_configurations_of_other_networks),
        cmocka_unit_test(knows_the_number_of_heads_by_the_architectures_name),
        cmocka_unit_test(without_a_configuration_it_must_be_the_notebooks_network),
        cmocka_unit_test(refuses_names_that_leave_the_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
