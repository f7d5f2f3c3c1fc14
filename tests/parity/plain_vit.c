#include "tests/parity/plain_vit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const VIT_MISTAKE_NAMES[VIT_MISTAKES] = {
    "none",
    "tanh GELU",
    "q and k swapped",
    "q and v swapped",
    "k and v swapped",
    "heads interleaved",
    "no attention scale",
    "pooling over the prefix",
    "no LayerScale",
    "no position embedding",
    "position embedding at another place",
    "no qkv bias",
    "norm on the other side of pooling",
    "patches turned",
};

#define EPSILON 1e-6

struct plain {
    const struct card_vit *vit;
    const struct safetensors *weights;
    enum vit_mistake mistake;
    size_t width, tokens, prefix;
};

static double *zeros(size_t count) {
    double *values = calloc(count + 1, sizeof(*values));
    assert_non_null(values);
    return values;
}

static const float *find(const struct plain *p, int block, const char *name) {
    char full[96];
    if (block >= 0)
        snprintf(full, sizeof(full), "blocks.%d.%s", block, name);
    else
        snprintf(full, sizeof(full), "%s", name);
    const struct safetensors_tensor *tensor = safetensors_find(p->weights, full);
    if (!tensor)
        fail_msg("no tensor %s", full);
    return tensor->data;
}

/* y (rows, out) = x (rows, in) · weightᵀ + bias */
static double *linear(const double *x, size_t rows, size_t in, size_t out, const float *weight,
                      const float *bias) {
    double *y = zeros(rows * out);
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < out; o++) {
            double sum = bias ? (double)bias[o] : 0;
            for (size_t i = 0; i < in; i++)
                sum += x[r * in + i] * (double)weight[o * in + i];
            y[r * out + o] = sum;
        }
    return y;
}

static double *layer_norm(const double *x, size_t rows, size_t width, const float *weight,
                          const float *bias) {
    double *y = zeros(rows * width);
    for (size_t r = 0; r < rows; r++) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < width; i++)
            mean += x[r * width + i] / (double)width;
        for (size_t i = 0; i < width; i++)
            variance += pow(x[r * width + i] - mean, 2) / (double)width;
        for (size_t i = 0; i < width; i++)
            y[r * width + i] =
                (x[r * width + i] - mean) / sqrt(variance + EPSILON) * (double)weight[i] +
                (double)bias[i];
    }
    return y;
}

static double gelu(double x, enum vit_mistake mistake) {
    if (mistake == VIT_TANH_GELU)
        return x / 2 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    return x / 2 * (1 + erf(x / sqrt(2)));
}

/* Which third of qkv is q (0), k (1), v (2). */
static size_t third(size_t which, enum vit_mistake mistake) {
    static const size_t swaps[][3] = {{1, 0, 2}, {2, 1, 0}, {0, 2, 1}};
    bool swapped = mistake >= VIT_SWAPPED_QK && mistake <= VIT_SWAPPED_KV;
    return swapped ? swaps[mistake - VIT_SWAPPED_QK][which] : which;
}

/* Number j of a head, of q, k or v of one token. */
static double part(const struct plain *p, const double *qkv, size_t token, size_t which,
                   size_t head, size_t j) {
    size_t d = p->width / p->vit->heads;
    size_t at = p->mistake == VIT_INTERLEAVED_HEADS ? j * p->vit->heads + head : head * d + j;
    return qkv[token * 3 * p->width + third(which, p->mistake) * p->width + at];
}

/* One token's attention in one head, added to mixed (width). */
static void attend(const struct plain *p, const double *qkv, size_t token, size_t head,
                   double *mixed) {
    size_t d = p->width / p->vit->heads;
    double *scores = zeros(p->tokens), most = -INFINITY, sum = 0;
    for (size_t other = 0; other < p->tokens; other++) {
        for (size_t j = 0; j < d; j++)
            scores[other] += part(p, qkv, token, 0, head, j) * part(p, qkv, other, 1, head, j);
        if (p->mistake != VIT_UNSCALED)
            scores[other] /= sqrt((double)d);
        most = fmax(most, scores[other]);
    }
    for (size_t other = 0; other < p->tokens; other++)
        sum += scores[other] = exp(scores[other] - most);
    for (size_t other = 0; other < p->tokens; other++)
        for (size_t j = 0; j < d; j++)
            mixed[head * d + j] += scores[other] / sum * part(p, qkv, other, 2, head, j);
    free(scores);
}

/* x += scale · y */
static void add(const struct plain *p, double *x, double *y, int block, const char *scale) {
    bool scaled = p->vit->layer_scale && p->mistake != VIT_NO_LAYER_SCALE;
    const float *gamma = scaled ? find(p, block, scale) : NULL;
    for (size_t i = 0; i < p->tokens * p->width; i++)
        x[i] += y[i] * (gamma ? (double)gamma[i % p->width] : 1);
    free(y);
}

static void attention(const struct plain *p, double *x, int block) {
    bool biased = p->vit->qkv_bias && p->mistake != VIT_NO_QKV_BIAS;
    double *normed = layer_norm(x, p->tokens, p->width, find(p, block, "norm1.weight"),
                                find(p, block, "norm1.bias"));
    double *qkv =
        linear(normed, p->tokens, p->width, 3 * p->width, find(p, block, "attn.qkv.weight"),
               biased ? find(p, block, "attn.qkv.bias") : NULL);
    double *mixed = zeros(p->tokens * p->width);
    for (size_t token = 0; token < p->tokens; token++)
        for (size_t head = 0; head < p->vit->heads; head++)
            attend(p, qkv, token, head, mixed + token * p->width);
    add(p, x,
        linear(mixed, p->tokens, p->width, p->width, find(p, block, "attn.proj.weight"),
               find(p, block, "attn.proj.bias")),
        block, "ls1.gamma");
    free(normed);
    free(qkv);
    free(mixed);
}

static void perceptron(const struct plain *p, double *x, int block) {
    size_t hidden = p->vit->hidden;
    double *normed = layer_norm(x, p->tokens, p->width, find(p, block, "norm2.weight"),
                                find(p, block, "norm2.bias"));
    double *inner = linear(normed, p->tokens, p->width, hidden, find(p, block, "mlp.fc1.weight"),
                           find(p, block, "mlp.fc1.bias"));
    for (size_t i = 0; i < p->tokens * hidden; i++)
        inner[i] = gelu(inner[i], p->mistake);
    add(p, x,
        linear(inner, p->tokens, hidden, p->width, find(p, block, "mlp.fc2.weight"),
               find(p, block, "mlp.fc2.bias")),
        block, "ls2.gamma");
    free(normed);
    free(inner);
}

/* x (width) of the patch at (row, column) of the face. */
static void embed_patch(const struct plain *p, uint32_t side, const float *face, size_t row,
                        size_t column, double *x) {
    size_t size = p->vit->patch;
    const float *weight = find(p, -1, "patch_embed.proj.weight");
    const float *bias = find(p, -1, "patch_embed.proj.bias");
    for (size_t o = 0; o < p->width; o++) {
        double sum = (double)bias[o];
        for (size_t c = 0; c < 3; c++)
            for (size_t y = 0; y < size; y++)
                for (size_t k = 0; k < size; k++) {
                    size_t tap = p->mistake == VIT_TURNED_PATCHES ? k * size + y : y * size + k;
                    sum += (double)weight[(o * 3 + c) * size * size + tap] *
                           (double)face[(c * side + row * size + y) * side + column * size + k];
                }
        x[o] = sum;
    }
}

static void put_prefix(const struct plain *p, double *x) {
    size_t at = 0;
    if (p->vit->class_token) {
        const float *token = find(p, -1, "cls_token");
        for (size_t i = 0; i < p->width; i++)
            x[at++] = (double)token[i];
    }
    const float *registers = p->vit->registers ? find(p, -1, "reg_token") : NULL;
    for (size_t i = 0; i < p->vit->registers * p->width; i++)
        x[at++] = (double)registers[i];
}

static double *embed_tokens(const struct plain *p, uint32_t side, const float *face) {
    size_t row = side / p->vit->patch;
    double *x = zeros(p->tokens * p->width);
    put_prefix(p, x);
    for (size_t i = 0; i < row * row; i++)
        embed_patch(p, side, face, i / row, i % row, x + (p->prefix + i) * p->width);
    const float *position = find(p, -1, "pos_embed");
    size_t rows = p->vit->position_on_prefix ? p->tokens : p->tokens - p->prefix;
    bool in_front = p->vit->position_on_prefix || p->mistake == VIT_PREFIX_BEHIND;
    size_t first = in_front ? 0 : p->prefix;
    if (p->vit->position_on_prefix && p->mistake == VIT_PREFIX_BEHIND)
        first = 1;
    for (size_t i = 0; p->mistake != VIT_NO_POSITION && i < rows * p->width; i++)
        x[(first * p->width + i) % (p->tokens * p->width)] += (double)position[i];
    return x;
}

/* (tokens, width) -> (width) */
static double *pool(const struct plain *p, const double *x) {
    double *y = zeros(p->width);
    size_t first = p->mistake == VIT_POOLED_PREFIX ? 0 : p->prefix;
    size_t end = p->tokens;
    if (p->vit->pool_class_token && p->mistake != VIT_POOLED_PREFIX)
        first = 0, end = 1;
    for (size_t token = first; token < end; token++)
        for (size_t i = 0; i < p->width; i++)
            y[i] += x[token * p->width + i] / (double)(end - first);
    return y;
}

void plain_vit(const struct card_vit *vit, uint32_t side, const struct safetensors *weights,
               const float *face, enum vit_mistake mistake, double *embedding) {
    size_t row = side / vit->patch, prefix = card_vit_prefix(vit);
    const struct plain p = {.vit = vit,
                            .weights = weights,
                            .mistake = mistake,
                            .width = vit->width,
                            .tokens = prefix + row * row,
                            .prefix = prefix};
    double *x = embed_tokens(&p, side, face);
    for (int block = 0; block < (int)vit->depth; block++) {
        attention(&p, x, block);
        perceptron(&p, x, block);
    }
    const char *name = vit->norm_after_pool ? "fc_norm" : "norm";
    char weight[32], bias[32];
    snprintf(weight, sizeof(weight), "%s.weight", name);
    snprintf(bias, sizeof(bias), "%s.bias", name);
    bool after = vit->norm_after_pool != (mistake == VIT_NORM_ELSEWHERE);
    double *first =
        after ? pool(&p, x)
              : layer_norm(x, p.tokens, p.width, find(&p, -1, weight), find(&p, -1, bias));
    double *last = after ? layer_norm(first, 1, p.width, find(&p, -1, weight), find(&p, -1, bias))
                         : pool(&p, first);
    memcpy(embedding, last, p.width * sizeof(*embedding));
    free(x);
    free(first);
    free(last);
}
