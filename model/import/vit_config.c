#include "model/import/vit_config.h"

#include "model/card.h"
#include "model/file.h"
#include "model/json.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS 255.0f
#define CROP_PCT_UNSAID 0.875 /* timm's DEFAULT_CROP_PCT */

/* Number of heads by the word after "vit_": which the weights' shapes do not show. */
static const struct family {
    const char *name;
    uint32_t heads;
} FAMILIES[] = {
    {"tiny", 3},     {"wee", 4},   {"dwee", 4},     {"little", 5},
    {"dlittle", 5},  {"small", 6}, {"medium", 8},   {"mediumd", 8},
    {"betwixt", 10}, {"base", 12}, {"so150m2", 13}, {"so150m", 14},
    {"large", 16},   {"huge", 16}, {"giant", 16},   {"gigantic", 16},
};

struct vit_config vit_config_notebook(void) {
    return (struct vit_config){
        .architecture = "vit_mediumd_patch16_reg4_gap_256",
        .heads = 8,
        .pooling = VIT_POOL_MEAN,
        .side = 256,
        .crop_pct = 0.95,
        .mean = {127.5f, 127.5f, 127.5f},
        .std = {127.5f, 127.5f, 127.5f},
    };
}

/* The next word of a name whose words are joined by '_'; empty at the end. */
static void next_word(const char **name, char *word, size_t size) {
    size_t length = strcspn(*name, "_"), kept = length < size ? length : size - 1;
    memcpy(word, *name, kept);
    word[kept] = '\0';
    *name += length + ((*name)[length] == '_');
}

static bool is_numbered(const char *word, const char *prefix) {
    size_t length = strlen(prefix);
    return strncmp(word, prefix, length) == 0 && word[length] &&
           strspn(word + length, "0123456789") == strlen(word + length);
}

/* 0 for a name that is not vit_FAMILY_patchN[_regN][_gap][_SIZE][_dinov2|_miil]. */
static uint32_t heads_of(const char *architecture) {
    char word[32];
    if (strcmp(architecture, "vit_base_patch16_gap_224") == 0)
        return 16; /* unlike all its sisters */
    next_word(&architecture, word, sizeof(word));
    if (strcmp(word, "vit") != 0)
        return 0;
    uint32_t heads = 0;
    next_word(&architecture, word, sizeof(word));
    for (size_t i = 0; i < sizeof(FAMILIES) / sizeof(FAMILIES[0]); i++)
        if (strcmp(word, FAMILIES[i].name) == 0)
            heads = FAMILIES[i].heads;
    while (*architecture) {
        next_word(&architecture, word, sizeof(word));
        bool plain = is_numbered(word, "patch") || is_numbered(word, "reg") ||
                     is_numbered(word, "") || strcmp(word, "gap") == 0 ||
                     strcmp(word, "dinov2") == 0 || strcmp(word, "miil") == 0;
        if (!plain)
            return 0;
    }
    return heads;
}

static void read_architecture(const struct json_node *root, struct vit_config *config) {
    json_read_text(root, "architecture", config->architecture, sizeof(config->architecture));
    config->heads = heads_of(config->architecture);
    if (config->architecture[0] && !config->heads)
        json_fault(root, "architecture \"%s\" is not one of the plain vision transformers",
                   config->architecture);
}

static void read_pooling(const struct json_node *node, struct vit_config *config) {
    char word[16] = "";
    if (!json_read_has(node, "global_pool"))
        return;
    json_read_text(node, "global_pool", word, sizeof(word));
    if (strcmp(word, "avg") == 0)
        config->pooling = VIT_POOL_MEAN;
    else if (strcmp(word, "token") == 0)
        config->pooling = VIT_POOL_CLASS_TOKEN;
    else
        json_fault(node, "global_pool \"%s\" is neither \"avg\" nor \"token\"", word);
}

static void read_model_args(const struct json_node *root, struct vit_config *config) {
    if (!json_read_has(root, "model_args"))
        return;
    struct json_node node = json_read_object(root, "model_args");
    read_pooling(&node, config);
    if (json_read_has(&node, "num_heads")) {
        int64_t heads = 0;
        json_read_integer(&node, "num_heads", 1, CARD_VIT_WIDTH_MAX, &heads);
        config->heads = (uint32_t)heads;
    }
}

static void expect_word(const struct json_node *node, const char *name, const char *only) {
    char word[32] = "";
    if (!json_read_has(node, name))
        return;
    json_read_text(node, name, word, sizeof(word));
    if (word[0] && strcmp(word, only) != 0)
        json_fault(node, "%s \"%s\" is not known (only \"%s\")", name, word, only);
}

/* timm counts pixels from 0 to 1. */
static void read_levels(const struct json_node *node, const char *name, double min,
                        float levels[3]) {
    json_read_floats(node, name, min, 1, 3, levels);
    for (int i = 0; i < 3; i++)
        levels[i] *= LEVELS;
}

static void read_input(const struct json_node *root, struct vit_config *config) {
    /* Before 2023 what is now in pretrained_cfg stood in the root. */
    struct json_node node =
        json_read_has(root, "pretrained_cfg") ? json_read_object(root, "pretrained_cfg") : *root;
    float size[3] = {0};
    json_read_floats(&node, "input_size", 1, CARD_SIDE_MAX, 3, size);
    config->side = (uint32_t)size[1];
    if (size[0] != 3 || size[1] != size[2] || (float)config->side != size[1])
        json_fault(&node, "input_size is not [3, SIDE, SIDE]");
    if (config->side < CARD_SIDE_MIN)
        json_fault(&node, "input_size has a side below %d", CARD_SIDE_MIN);
    expect_word(&node, "interpolation", "bicubic");
    expect_word(&node, "crop_mode", "center");
    config->crop_pct = CROP_PCT_UNSAID;
    if (json_read_has(&node, "crop_pct"))
        json_read_real(&node, "crop_pct", 0.1, 1, &config->crop_pct);
    read_levels(&node, "mean", 0, config->mean);
    read_levels(&node, "std", 1e-3, config->std);
    if (json_read_has(&node, "license"))
        json_read_text(&node, "license", config->license, sizeof(config->license));
}

enum status vit_config_read(const char *path, struct vit_config *config, struct error *err) {
    char *text;
    size_t size;
    struct json_reader *reader;
    struct error cause;
    memset(config, 0, sizeof(*config));
    enum status status = file_read(path, JSON_BYTES_MAX, &text, &size, err);
    if (status != STATUS_OK)
        return status;
    status = json_reader_open(text, size, &reader, &cause);
    if (status == STATUS_OK) {
        struct json_node root = json_root(reader);
        read_architecture(&root, config);
        read_pooling(&root, config);
        read_model_args(&root, config);
        read_input(&root, config);
        status = json_reader_close(reader, &cause);
    }
    free(text);
    if (status != STATUS_OK)
        return error_set(err, STATUS_INTERNAL, "%.120s: %.130s", path, cause.detail);
    return STATUS_OK;
}
