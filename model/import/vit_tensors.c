#include "model/import/vit_tensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64, RANK_MAX = 4 };
#define PREFIX "model."
#define SIZES(...)                                                                                 \
    (const uint64_t[RANK_MAX]) { __VA_ARGS__ }

/* A choice under way. */
struct choice {
    struct safetensors_tensor *sorted; /* (count) by name, without prefix and classifier */
    size_t count;
    const struct vit_config *config;
    struct vit_tensors *result; /* its tensors have room for count */
    struct error *err;
};

static bool fault(struct choice *choice, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fault(struct choice *choice, const char *format, ...) {
    char text[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    error_set(choice->err, STATUS_INTERNAL, "%s", text);
    return false;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct safetensors_tensor *)a)->name,
                  ((const struct safetensors_tensor *)b)->name);
}

static const struct safetensors_tensor *find(const struct choice *choice, const char *name) {
    const struct safetensors_tensor wanted = {.name = name};
    return bsearch(&wanted, choice->sorted, choice->count, sizeof(wanted), by_name);
}

static bool is_classifier(const char *name) { return strncmp(name, "head.", 5) == 0; }

static void sort(struct choice *choice, const struct safetensors_tensor *given, size_t count) {
    size_t prefix = strlen(PREFIX);
    for (size_t i = 0; i < count && prefix; i++)
        if (strncmp(given[i].name, PREFIX, prefix) != 0)
            prefix = 0;
    for (size_t i = 0; i < count; i++) {
        struct safetensors_tensor tensor = given[i];
        tensor.name += prefix;
        if (!is_classifier(tensor.name))
            choice->sorted[choice->count++] = tensor;
    }
    qsort(choice->sorted, choice->count, sizeof(*choice->sorted), by_name);
}

/* ---- the shape ---- */

/* One size of a tensor, within 1 … max; 0 for a tensor that is not there. */
static bool read_size(struct choice *choice, const char *name, uint32_t rank, uint32_t dimension,
                      uint32_t max, uint32_t *size) {
    const struct safetensors_tensor *tensor = find(choice, name);
    *size = 0;
    if (!tensor)
        return true;
    if (tensor->rank != rank || tensor->shape[dimension] < 1 || tensor->shape[dimension] > max)
        return fault(choice, "%.80s is no such tensor of a vision transformer", name);
    *size = (uint32_t)tensor->shape[dimension];
    return true;
}

static uint32_t count_blocks(const struct choice *choice) {
    char name[NAME_MAX_BYTES];
    for (uint32_t depth = 0; depth <= CARD_VIT_DEPTH_MAX; depth++) {
        snprintf(name, sizeof(name), "blocks.%" PRIu32 ".norm1.weight", depth);
        if (!find(choice, name))
            return depth;
    }
    return 0;
}

static bool read_position(struct choice *choice, struct card_vit *vit) {
    uint32_t side = choice->config->side, rows = 0;
    if (side % vit->patch != 0)
        return fault(choice, "a side of %u is not a multiple of the patch of %u", side, vit->patch);
    uint32_t patches = (side / vit->patch) * (side / vit->patch);
    if (!read_size(choice, "pos_embed", 3, 1, UINT32_MAX, &rows))
        return false;
    vit->position_on_prefix = rows == patches + card_vit_prefix(vit) && rows != patches;
    if (rows != patches && !vit->position_on_prefix)
        return fault(choice, "its position embedding has %u rows, but a side of %u needs %u", rows,
                     side, patches);
    return true;
}

static bool read_pooling(struct choice *choice, struct card_vit *vit) {
    enum vit_pooling pooling = choice->config->pooling;
    vit->pool_class_token =
        pooling == VIT_POOL_UNSAID ? vit->class_token : pooling == VIT_POOL_CLASS_TOKEN;
    return !vit->pool_class_token || vit->class_token ||
           fault(choice, "there is no class token to pool");
}

static bool read_shape(struct choice *choice, struct card_vit *vit) {
    *vit = (struct card_vit){
        .heads = choice->config->heads,
        .depth = count_blocks(choice),
        .class_token = find(choice, "cls_token") != NULL,
        .norm_after_pool = find(choice, "fc_norm.weight") != NULL,
        .layer_scale = find(choice, "blocks.0.ls1.gamma") != NULL,
        .qkv_bias = find(choice, "blocks.0.attn.qkv.bias") != NULL,
    };
    const char *patch = "patch_embed.proj.weight";
    if (!read_size(choice, patch, 4, 0, CARD_VIT_WIDTH_MAX, &vit->width) ||
        !read_size(choice, patch, 4, 3, CARD_VIT_PATCH_MAX, &vit->patch) ||
        !read_size(choice, "blocks.0.mlp.fc1.weight", 2, 0, CARD_VIT_HIDDEN_MAX, &vit->hidden) ||
        !read_size(choice, "reg_token", 3, 1, CARD_VIT_REGISTERS_MAX, &vit->registers))
        return false;
    if (!vit->width || !vit->depth || !vit->hidden)
        return fault(choice, "these are not the weights of a vision transformer");
    if (vit->width % vit->heads != 0)
        return fault(choice, "a width of %u is not a multiple of %u heads", vit->width, vit->heads);
    return read_position(choice, vit) && read_pooling(choice, vit);
}

/* ---- the tensors ---- */

static bool is_finite(const struct safetensors_tensor *tensor) {
    uint64_t count = 1;
    for (uint32_t i = 0; i < tensor->rank; i++)
        count *= tensor->shape[i];
    for (uint64_t i = 0; i < count; i++)
        if (!isfinite(tensor->data[i]))
            return false;
    return true;
}

static bool take(struct choice *choice, uint32_t rank, const uint64_t *shape, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));

static bool take(struct choice *choice, uint32_t rank, const uint64_t *shape, const char *format,
                 ...) {
    char name[NAME_MAX_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof(name), format, arguments);
    va_end(arguments);
    const struct safetensors_tensor *tensor = find(choice, name);
    if (!tensor)
        return fault(choice, "the tensor %s is missing", name);
    if (tensor->rank != rank || memcmp(tensor->shape, shape, rank * sizeof(*shape)) != 0)
        return fault(choice, "the tensor %s has another shape than the others imply", name);
    if (!is_finite(tensor))
        return fault(choice, "the tensor %s holds a value that is not finite", name);
    choice->result->tensors[choice->result->count++] = *tensor;
    return true;
}

static bool take_pair(struct choice *choice, uint64_t out, uint64_t in, uint32_t block,
                      const char *name, bool biased) {
    return take(choice, 2, SIZES(out, in), "blocks.%" PRIu32 ".%s.weight", block, name) &&
           (!biased || take(choice, 1, SIZES(out), "blocks.%" PRIu32 ".%s.bias", block, name));
}

static bool take_norm(struct choice *choice, uint32_t block, const char *name) {
    uint64_t width = choice->result->vit.width;
    return take(choice, 1, SIZES(width), "blocks.%" PRIu32 ".%s.weight", block, name) &&
           take(choice, 1, SIZES(width), "blocks.%" PRIu32 ".%s.bias", block, name);
}

static bool take_block(struct choice *choice, uint32_t i) {
    const struct card_vit *vit = &choice->result->vit;
    uint64_t width = vit->width;
    return take_norm(choice, i, "norm1") &&
           take_pair(choice, 3 * width, width, i, "attn.qkv", vit->qkv_bias) &&
           take_pair(choice, width, width, i, "attn.proj", true) && take_norm(choice, i, "norm2") &&
           take_pair(choice, vit->hidden, width, i, "mlp.fc1", true) &&
           take_pair(choice, width, vit->hidden, i, "mlp.fc2", true) &&
           (!vit->layer_scale ||
            (take(choice, 1, SIZES(width), "blocks.%" PRIu32 ".ls1.gamma", i) &&
             take(choice, 1, SIZES(width), "blocks.%" PRIu32 ".ls2.gamma", i)));
}

static bool take_all(struct choice *choice) {
    const struct card_vit *vit = &choice->result->vit;
    uint64_t width = vit->width, patch = vit->patch, row = choice->config->side / vit->patch;
    uint64_t rows = row * row + (vit->position_on_prefix ? card_vit_prefix(vit) : 0);
    const char *norm = vit->norm_after_pool ? "fc_norm" : "norm";
    bool good = take(choice, 4, SIZES(width, 3, patch, patch), "patch_embed.proj.weight") &&
                take(choice, 1, SIZES(width), "patch_embed.proj.bias") &&
                take(choice, 3, SIZES(1, rows, width), "pos_embed");
    if (good && vit->class_token)
        good = take(choice, 3, SIZES(1, 1, width), "cls_token");
    if (good && vit->registers)
        good = take(choice, 3, SIZES(1, vit->registers, width), "reg_token");
    for (uint32_t i = 0; good && i < vit->depth; i++)
        good = take_block(choice, i);
    return good && take(choice, 1, SIZES(width), "%s.weight", norm) &&
           take(choice, 1, SIZES(width), "%s.bias", norm);
}

static bool was_taken(const struct choice *choice, const char *name) {
    for (size_t i = 0; i < choice->result->count; i++)
        if (strcmp(choice->result->tensors[i].name, name) == 0)
            return true;
    return false;
}

/* As many were taken as there are, or one that was not is named. */
static bool check_rest(struct choice *choice) {
    for (size_t i = 0; choice->result->count < choice->count && i < choice->count; i++)
        if (!was_taken(choice, choice->sorted[i].name))
            return fault(choice, "the tensor %.80s is of no use to a plain vision transformer",
                         choice->sorted[i].name);
    return true;
}

enum status vit_tensors_choose(const struct safetensors_tensor *given, size_t count,
                               const struct vit_config *config, struct vit_tensors *result,
                               struct error *err) {
    memset(result, 0, sizeof(*result));
    struct choice choice = {.config = config, .result = result, .err = err};
    choice.sorted = calloc(count + 1, sizeof(*choice.sorted));
    result->tensors = calloc(count + 1, sizeof(*result->tensors));
    bool good = choice.sorted && result->tensors;
    if (!good) {
        fault(&choice, "out of memory");
    } else {
        sort(&choice, given, count);
        good = read_shape(&choice, &result->vit) && take_all(&choice) && check_rest(&choice);
    }
    free(choice.sorted);
    if (good)
        return STATUS_OK;
    free(result->tensors);
    memset(result, 0, sizeof(*result));
    return STATUS_INTERNAL;
}
