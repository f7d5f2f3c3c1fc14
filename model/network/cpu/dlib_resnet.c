/* The network as a plan and its execution.
 *
 * The plan (made at open) is the list of blocks with their packed convolutions, and for every
 * feature map its shape and its place in a member's workspace. A block is, in place:
 *
 *   kept    inner = relu(conv1(x))                  x = relu(conv2(inner) + x)
 *   down    inner = relu(conv1(x)), y = average(x)  y = relu(conv2(inner) + y)
 *
 * where conv1 of a down block has stride 2 and no padding, average is over 2×2 pixels, and y's
 * upper channels, which x lacks, are zeros. Where conv2(inner) is smaller than y (8×8 becomes 3×3
 * on the one path and 4×4 on the other), dlib counts its missing rows and columns as zeros: y stays
 * there as it is, for it is an average of what relu has left and so not negative.
 *
 * Faces are taken in shares by the members of the team, each of which runs the whole network on its
 * share: nobody waits for anybody between layers. A share is at most SHARE_MAX faces, which bounds
 * the workspace. The early layers, whose maps are large and weights small, go face by face, so that
 * a face's maps stay in the second-level cache; the late ones, whose weights are large, take all
 * faces of the share by each part of the weights.
 */
#include "model/network/cpu/dlib_resnet.h"
#include "model/network/cpu/layer.h"
#include "model/network/cpu/vector.h"
#include "model/network/team.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCKS = 14,
    BLOCKS_ALONE = 4, /* the first ones, that go face by face */
    STEM_CHANNELS = 32,
    STEM_KERNEL = 7,
    STEM_SIDE = (DLIB_RESNET_SIDE - STEM_KERNEL) / 2 + 1,
    POOL = 3,
    POOLED_SIDE = (STEM_SIDE - POOL) / 2 + 1,
    STEM_ROWS = POOL + 2 * (POOLED_SIDE - 1), /* the last of STEM_SIDE is in no pool */
    LAST_CHANNELS = 256,
    SHARE_MAX = 8,
    ALIGNMENT = 64
};

static const struct stage {
    size_t channels;
    bool down;
} STAGES[BLOCKS] = {{32, false}, {32, false},  {32, false},  {64, true},   {64, false},
                    {64, false}, {64, false},  {128, true},  {128, false}, {128, false},
                    {256, true}, {256, false}, {256, false}, {256, true}};

/* A map and where it stands: in a part of the workspace that all faces use in turn, or in the part
 * of each face. */
struct place {
    struct map map;
    bool own;
    size_t at; /* floats, in its part */
};

struct block {
    bool down;
    struct place in, inner, out; /* out is in, in a kept block */
    struct layer conv1, conv2;
};

struct dlib_resnet {
    struct convolution stem;
    struct block blocks[BLOCKS];
    float *head; /* (256, 128) */
    struct team *team;
    unsigned members;
    /* A workspace: the common maps (stem rows first), the faces' own, and the layers' scratch. */
    size_t common_floats, own_floats, workspace_floats;
    float *workspaces; /* (members, workspace_floats); zero between calls */
};

/* One call of embed(). */
struct call {
    struct dlib_resnet *network;
    const float *faces;
    float *out;
    uint32_t n, share;
    atomic_uint taken; /* faces, in whole shares */
};

static struct place place_of(struct dlib_resnet *network, size_t side, size_t channels, bool own) {
    size_t *floats = own ? &network->own_floats : &network->common_floats;
    struct place place = {map_of(side, channels), own, *floats};
    *floats += map_floats(&place.map);
    return place;
}

/* Shapes and places; no memory yet. */
static void plan(struct dlib_resnet *network) {
    network->common_floats = (size_t)POOL * STEM_SIDE * STEM_CHANNELS;
    struct place x = place_of(network, POOLED_SIDE, STEM_CHANNELS, false), inner = {.own = false};
    for (size_t i = 0; i < BLOCKS; i++) {
        struct block *block = &network->blocks[i];
        bool own = i + 1 >= BLOCKS_ALONE;
        size_t channels = STAGES[i].channels;
        size_t inner_side = STAGES[i].down ? (x.map.side - 3) / 2 + 1 : x.map.side;
        if (inner_side != inner.map.side || channels != inner.map.channels)
            inner = place_of(network, inner_side, channels, own);
        block->down = STAGES[i].down;
        block->in = x;
        block->inner = inner;
        if (block->down)
            x = place_of(network, x.map.side / 2, channels, own);
        block->out = x;
    }
}

/* For n faces, one layer at a time. */
static size_t scratch_floats(const struct dlib_resnet *network, size_t n) {
    size_t most = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t faces = i < BLOCKS_ALONE ? 1 : n;
        size_t first = layer_scratch_floats(&network->blocks[i].conv1, faces);
        size_t second = layer_scratch_floats(&network->blocks[i].conv2, faces);
        most = first > most ? first : most;
        most = second > most ? second : most;
    }
    return most;
}

static enum status open_stem(struct dlib_resnet *network, struct weights *weights,
                             struct error *err) {
    const float *weight, *bias;
    const size_t shape[] = {STEM_CHANNELS, 3, STEM_KERNEL, STEM_KERNEL};
    enum status status = weights_take(weights, "stem.weight", shape, 4, &weight, err);
    if (status == STATUS_OK)
        status = weights_take(weights, "stem.bias", shape, 1, &bias, err);
    if (status != STATUS_OK)
        return status;
    if (!convolution_open_planes(&network->stem, weight, bias, STEM_CHANNELS, DLIB_RESNET_SIDE,
                                 STEM_KERNEL, 2))
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    return STATUS_OK;
}

static enum status open_head(struct dlib_resnet *network, struct weights *weights,
                             struct error *err) {
    const float *head;
    const size_t shape[] = {DLIB_RESNET_EMBEDDING, LAST_CHANNELS};
    enum status status = weights_take(weights, "head.weight", shape, 2, &head, err);
    if (status != STATUS_OK)
        return status;
    network->head = malloc((size_t)LAST_CHANNELS * DLIB_RESNET_EMBEDDING * sizeof(float));
    if (!network->head)
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    for (size_t o = 0; o < DLIB_RESNET_EMBEDDING; o++)
        for (size_t c = 0; c < LAST_CHANNELS; c++)
            network->head[c * DLIB_RESNET_EMBEDDING + o] = head[o * LAST_CHANNELS + c];
    return STATUS_OK;
}

static enum status read_weights(struct dlib_resnet *network, struct weights *weights,
                                struct error *err) {
    enum status status = open_stem(network, weights, err);
    for (size_t i = 0; status == STATUS_OK && i < BLOCKS; i++) {
        struct block *b = &network->blocks[i];
        char name[24];
        snprintf(name, sizeof name, "blocks.%zu.conv1", i);
        status = layer_open(&b->conv1, weights, name, &b->in.map, &b->inner.map, b->down ? 2 : 1,
                            b->down ? 0 : 1, err);
        if (status != STATUS_OK)
            return status;
        snprintf(name, sizeof name, "blocks.%zu.conv2", i);
        status = layer_open(&b->conv2, weights, name, &b->inner.map, &b->out.map, 1, 1, err);
    }
    if (status == STATUS_OK)
        status = open_head(network, weights, err);
    if (status == STATUS_OK)
        status = weights_finish(weights, err);
    return status;
}

static enum status make(struct dlib_resnet *network, const char *path, size_t foreign,
                        unsigned threads, struct error *err) {
    struct weights weights = {.taken = foreign};
    plan(network);
    enum status status = safetensors_open(path, &weights.file, err);
    if (status != STATUS_OK)
        return status;
    status = read_weights(network, &weights, err);
    safetensors_close(weights.file);
    if (status != STATUS_OK)
        return status;
    network->workspace_floats = network->common_floats + SHARE_MAX * network->own_floats +
                                scratch_floats(network, SHARE_MAX);
    size_t bytes = threads * network->workspace_floats * sizeof(float);
    network->workspaces = aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    if (!network->workspaces)
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    memset(network->workspaces, 0, bytes);
    network->members = threads;
    return team_create(threads, &network->team, err);
}

static void close_network(struct dlib_resnet *network) {
    if (!network)
        return;
    team_destroy(network->team);
    convolution_close(&network->stem);
    for (size_t i = 0; i < BLOCKS; i++) {
        layer_close(&network->blocks[i].conv1);
        layer_close(&network->blocks[i].conv2);
    }
    free(network->head);
    free(network->workspaces);
    free(network);
}

static enum status open_network(const char *weights_path, size_t foreign, unsigned threads,
                                struct dlib_resnet **result, struct error *err) {
    struct error cause;
    struct dlib_resnet *network = calloc(1, sizeof *network);
    if (!network)
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    enum status status = make(network, weights_path, foreign, threads, &cause);
    if (status != STATUS_OK) {
        close_network(network);
        return error_set(err, status, "%.100s: %.150s", weights_path, cause.detail);
    }
    *result = network;
    return STATUS_OK;
}

/* Three rows (72, 32) -> one of x, by the greatest of 3×3. */
static void pool_row(const float *rows, float *out) {
    enum { ROW = STEM_SIDE * STEM_CHANNELS };
    for (size_t x = 0; x < POOLED_SIDE; x++)
        for (size_t c = 0; c < STEM_CHANNELS; c += VECTOR) {
            const float *at = rows + 2 * x * STEM_CHANNELS + c;
            vector most = load(at);
            for (size_t i = 1; i < (size_t)POOL * POOL; i++)
                most = maximum(most, load(at + i / POOL * ROW + i % POOL * STEM_CHANNELS));
            store(out + x * STEM_CHANNELS + c, most);
        }
}

/* One face -> the first map. Only the last three rows of the convolution are kept. */
static void run_stem(const struct dlib_resnet *network, const float *face, float *workspace) {
    enum { ROW = STEM_SIDE * STEM_CHANNELS };
    const struct place *x = &network->blocks[0].in;
    for (size_t row = 0; row < STEM_ROWS; row++) {
        convolution_run(&network->stem, face + 2 * row * DLIB_RESNET_SIDE, 0,
                        workspace + row % POOL * ROW, 0, 1, false);
        if (row >= POOL - 1 && row % 2 == 0)
            pool_row(workspace, workspace + x->at + map_at(&x->map, (row - POOL + 1) / 2 + 1, 1));
    }
}

/* 2×2 averages; the channels that `in` lacks are zeros. */
static void average(const struct map *in_map, const float *in, const struct map *out_map,
                    float *out) {
    for (size_t y = 0; y < out_map->side; y++)
        for (size_t x = 0; x < out_map->side; x++) {
            const float *from = in + map_at(in_map, 2 * y + 1, 2 * x + 1);
            const float *below = from + in_map->row * in_map->channels;
            float *to = out + map_at(out_map, y + 1, x + 1);
            for (size_t c = 0; c < in_map->channels; c += VECTOR)
                store(to + c, (load(from + c) + load(from + in_map->channels + c) +
                               load(below + c) + load(below + in_map->channels + c)) *
                                  0.25f);
            memset(to + in_map->channels, 0,
                   (out_map->channels - in_map->channels) * sizeof(float));
        }
}

/* A map of a face of the share. */
static float *map_in(const struct dlib_resnet *network, const struct place *place, float *workspace,
                     size_t face) {
    if (!place->own)
        return workspace + place->at;
    return workspace + network->common_floats + face * network->own_floats + place->at;
}

/* n faces from `first` of the share. */
static void run_block(const struct dlib_resnet *network, const struct block *block,
                      float *workspace, size_t first, size_t n) {
    size_t stride = network->own_floats;
    float *in = map_in(network, &block->in, workspace, first);
    float *inner = map_in(network, &block->inner, workspace, first);
    float *out = map_in(network, &block->out, workspace, first);
    float *scratch = workspace + network->common_floats + SHARE_MAX * stride;
    layer_run(&block->conv1, in, inner, stride, n, false, scratch);
    if (block->down)
        for (size_t i = 0; i < n; i++)
            average(&block->in.map, in + i * stride, &block->out.map, out + i * stride);
    layer_run(&block->conv2, inner, out, stride, n, true, scratch);
}

/* The mean of the last map's pixels, and from it the embedding. */
static void run_head(const struct dlib_resnet *network, const float *x, float *out) {
    const struct map *map = &network->blocks[BLOCKS - 1].out.map;
    vector sum[DLIB_RESNET_EMBEDDING / VECTOR] = {0};
    for (size_t c = 0; c < LAST_CHANNELS; c++) {
        float mean = 0;
        for (size_t i = 0; i < map->side * map->side; i++)
            mean += x[map_at(map, i / map->side + 1, i % map->side + 1) + c];
        mean /= (float)(map->side * map->side);
        for (size_t o = 0; o < DLIB_RESNET_EMBEDDING; o += VECTOR)
            sum[o / VECTOR] += load(network->head + c * DLIB_RESNET_EMBEDDING + o) * mean;
    }
    for (size_t o = 0; o < DLIB_RESNET_EMBEDDING; o += VECTOR)
        store(out + o, sum[o / VECTOR]);
}

static void run_share(const struct dlib_resnet *network, const float *faces, size_t n, float *out,
                      float *workspace) {
    const struct place *last = &network->blocks[BLOCKS - 1].out;
    for (size_t face = 0; face < n; face++) {
        run_stem(network, faces + face * 3 * DLIB_RESNET_SIDE * DLIB_RESNET_SIDE, workspace);
        for (size_t i = 0; i < BLOCKS_ALONE; i++)
            run_block(network, &network->blocks[i], workspace, face, 1);
    }
    for (size_t i = BLOCKS_ALONE; i < BLOCKS; i++)
        run_block(network, &network->blocks[i], workspace, 0, n);
    for (size_t face = 0; face < n; face++)
        run_head(network, map_in(network, last, workspace, face),
                 out + face * DLIB_RESNET_EMBEDDING);
}

/* What n faces have left in it. */
static void forget(const struct dlib_resnet *network, float *workspace, size_t n) {
    explicit_bzero(workspace, (network->common_floats + n * network->own_floats) * sizeof(float));
    explicit_bzero(workspace + network->common_floats + SHARE_MAX * network->own_floats,
                   scratch_floats(network, n) * sizeof(float));
}

static void work(void *context, unsigned member) {
    struct call *call = context;
    struct dlib_resnet *network = call->network;
    float *workspace = network->workspaces + member * network->workspace_floats;
    size_t most = 0;
    for (;;) {
        uint32_t first = atomic_fetch_add(&call->taken, call->share);
        if (first >= call->n)
            break;
        uint32_t n = call->n - first < call->share ? call->n - first : call->share;
        run_share(network, call->faces + (size_t)first * 3 * DLIB_RESNET_SIDE * DLIB_RESNET_SIDE, n,
                  call->out + (size_t)first * DLIB_RESNET_EMBEDDING, workspace);
        most = n > most ? n : most;
    }
    if (most)
        forget(network, workspace, most);
    forget_registers();
}

static void embed(struct dlib_resnet *network, const float *faces, uint32_t n, float *out) {
    /* As many rounds of equal shares as are needed for none to be larger than SHARE_MAX. */
    uint32_t room = network->members * SHARE_MAX, rounds = (n + room - 1) / room;
    uint32_t shares = rounds * network->members;
    struct call call = {.network = network, .faces = faces, .out = out, .n = n};
    if (n == 0)
        return;
    call.share = (n + shares - 1) / shares;
    uint32_t members = (n + call.share - 1) / call.share;
    team_run(network->team, members < network->members ? members : network->members, work, &call);
}

const struct dlib_resnet_code CPU_NAME(dlib_resnet) = {
    .open = open_network, .close = close_network, .embed = embed};
