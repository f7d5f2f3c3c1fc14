/* What a step of training costs when the frozen part of the network is computed once: the
 * notebook's network at its full size (64 million parameters, drawn), its last block trained on
 * batches of 32 pairs of made-up images.
 *
 *   bench_train_cache [--threads N] [--steps N] [--naive N] [--images N] [--device D]
 *
 * Two trainings take the same batches. One goes by rows that were computed before, each image's
 * once. The other is naive: it sends the 64 images of each batch through the frozen blocks anew,
 * then steps; its first N batches only, since each takes half a minute. Times are the process's
 * processor time, which a busy machine disturbs less; on a GPU the clock's. Prints the time and the
 * bytes of the rows, both medians, their ratio and the largest difference of the losses; exit code
 * 1 when a cached step takes more than a fifth of a naive one or a loss differs by more than 1e-4
 * of it. Nothing is read; the weights (256 MB) go through a temporary file.
 */
#include "model/card.h"
#include "model/network/network.h"
#include "model/network/train.h"
#include "model/random.h"
#include "model/safetensors.h"

#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RATIO_BAR 0.2
#define LOSS_BAR 1e-4
enum { PAIRS = 32, STEPS_MAX = 1000, IMAGES_MAX = 4096, TENSORS_MAX = 512 };
enum { SIDE = 256, PATCH = 16, WIDTH = 512, DEPTH = 20, HEADS = 8, HIDDEN = 2048, REGISTERS = 4 };
enum { FACE = 3 * SIDE * SIDE };

static void die(const char *what) {
    fprintf(stderr, "bench_train_cache: %s\n", what);
    exit(1);
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory)
        die("out of memory");
    return memory;
}

static double draw_between(struct random_generator *generator, double low, double high) {
    return low + (high - low) * (double)(random_bits(generator) >> 40) / (1 << 24);
}

/* ---- the network ---- */

struct drawn_weights {
    struct random_generator generator;
    struct safetensors_tensor tensors[TENSORS_MAX];
    size_t count, parameters;
};

/* Every value matters, as in tests/parity/vit/reference.py: LayerScale from 0.1 to 1, norm weights
 * from 0.5 to 1.5, matrices by how much they add up, the rest up to a half. */
static void range_of(const char *name, size_t inputs, double *low, double *high) {
    bool gamma = strstr(name, "gamma") != NULL;
    bool norm = strstr(name, "norm") && strstr(name, "weight");
    double bound = inputs ? sqrt(3.0 / (double)inputs) : 0.5;
    *low = gamma ? 0.1 : norm ? 0.5 : -bound;
    *high = gamma ? 1 : norm ? 1.5 : bound;
}

/* fan: how many numbers an output adds up; 0 for what is no matrix. */
static void draw(struct drawn_weights *weights, const char *name, uint32_t rank,
                 const uint64_t *shape, size_t fan) {
    struct safetensors_tensor *tensor = &weights->tensors[weights->count++];
    *tensor = (struct safetensors_tensor){.name = strdup(name), .rank = rank};
    memcpy(tensor->shape, shape, rank * sizeof(*shape));
    size_t values = 1;
    for (uint32_t i = 0; i < rank; i++)
        values *= shape[i];
    float *data = allocate(values, sizeof(*data));
    double low, high;
    range_of(name, fan, &low, &high);
    for (size_t i = 0; i < values; i++)
        data[i] = (float)draw_between(&weights->generator, low, high);
    tensor->data = data;
    weights->parameters += values;
}

static void draw_vector(struct drawn_weights *weights, const char *block, const char *name) {
    char whole[96];
    snprintf(whole, sizeof(whole), "%s%s", block, name);
    draw(weights, whole, 1, (const uint64_t[]){WIDTH}, 0);
}

static void draw_linear(struct drawn_weights *weights, const char *block, const char *name,
                        uint64_t out, uint64_t in) {
    char whole[96];
    snprintf(whole, sizeof(whole), "%s%s.weight", block, name);
    draw(weights, whole, 2, (const uint64_t[]){out, in}, in);
    snprintf(whole, sizeof(whole), "%s%s.bias", block, name);
    draw(weights, whole, 1, (const uint64_t[]){out}, 0);
}

static void draw_block(struct drawn_weights *weights, unsigned index) {
    static const char *const vectors[] = {"norm1.weight", "norm1.bias", "norm2.weight",
                                          "norm2.bias",   "ls1.gamma",  "ls2.gamma"};
    char block[32];
    snprintf(block, sizeof(block), "blocks.%u.", index);
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        draw_vector(weights, block, vectors[i]);
    draw_linear(weights, block, "attn.qkv", 3 * WIDTH, WIDTH);
    draw_linear(weights, block, "attn.proj", WIDTH, WIDTH);
    draw_linear(weights, block, "mlp.fc1", HIDDEN, WIDTH);
    draw_linear(weights, block, "mlp.fc2", WIDTH, HIDDEN);
}

/* Writes the weights to path and returns how many numbers they are. */
static size_t write_network(const char *path) {
    struct drawn_weights weights = {.generator = random_seeded(64)};
    struct error err;
    draw(&weights, "patch_embed.proj.weight", 4, (const uint64_t[]){WIDTH, 3, PATCH, PATCH},
         3 * PATCH * PATCH);
    draw_vector(&weights, "", "patch_embed.proj.bias");
    draw(&weights, "pos_embed", 3, (const uint64_t[]){1, SIDE / PATCH * (SIDE / PATCH), WIDTH}, 0);
    draw(&weights, "reg_token", 3, (const uint64_t[]){1, REGISTERS, WIDTH}, 0);
    for (unsigned i = 0; i < DEPTH; i++)
        draw_block(&weights, i);
    draw_vector(&weights, "", "fc_norm.weight");
    draw_vector(&weights, "", "fc_norm.bias");
    if (safetensors_write(path, weights.tensors, weights.count, &err) != STATUS_OK)
        die(err.detail);
    for (size_t i = 0; i < weights.count; i++) {
        free((void *)weights.tensors[i].name);
        free((void *)weights.tensors[i].data);
    }
    return weights.parameters;
}

static struct card card_of_network(void) {
    return (struct card){.architecture = "vit",
                         .input = {.kind = CARD_INPUT_FRAME, .side = SIDE},
                         .embedding_length = WIDTH,
                         .embedding = {.network_length = WIDTH},
                         .vit = {.patch = PATCH,
                                 .width = WIDTH,
                                 .depth = DEPTH,
                                 .heads = HEADS,
                                 .hidden = HIDDEN,
                                 .registers = REGISTERS,
                                 .norm_after_pool = true,
                                 .layer_scale = true,
                                 .qkv_bias = true}};
}

/* ---- the batches ---- */

struct bench {
    const char *device;
    unsigned threads, steps, naive, images;
    struct network_train *cached, *plain;
    size_t row_values;
    float *faces, *rows;      /* of all images */
    float *a, *b;             /* (PAIRS, row_values) */
    float *batch_faces;       /* (2 · PAIRS, FACE) */
    uint32_t pairs[PAIRS][2]; /* images of the batch */
    uint8_t same[PAIRS];
};

static double now_ms(const struct bench *bench) {
    struct timespec t;
    bool on_cpu = strcmp(bench->device, "cpu") == 0;
    clock_gettime(on_cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Images 2k and 2k + 1 are one person's: half of each is the same. */
static void draw_faces(struct bench *bench, struct random_generator *generator) {
    for (size_t i = 0; i < bench->images; i++)
        for (size_t k = 0; k < FACE; k++) {
            float own = (float)draw_between(generator, -1, 1);
            const float *first = bench->faces + (i - i % 2) * FACE;
            bench->faces[i * FACE + k] = i % 2 ? 0.5F * first[k] + 0.5F * own : own;
        }
}

static void draw_pairs(struct bench *bench, struct random_generator *generator) {
    for (unsigned i = 0; i < PAIRS; i++) {
        uint32_t first = random_below(generator, bench->images);
        uint32_t apart = 2 + 2 * random_below(generator, bench->images / 2 - 1);
        bench->same[i] = i % 2 == 0;
        bench->pairs[i][0] = first;
        bench->pairs[i][1] = bench->same[i] ? first ^ 1 : (first + apart) % bench->images;
    }
}

static double step(struct bench *bench, struct network_train *train) {
    const struct network_train_batch batch = {
        .n = PAIRS, .a = bench->a, .b = bench->b, .same = bench->same};
    struct error err;
    double loss;
    if (network_train_step(train, &batch, &loss, &err) != STATUS_OK)
        die(err.detail);
    return loss;
}

/* Milliseconds of a step of the batch on rows from the cache. */
static double step_cached(struct bench *bench, double *loss) {
    double began = now_ms(bench);
    for (unsigned i = 0; i < PAIRS; i++)
        for (unsigned k = 0; k < 2; k++)
            memcpy((k ? bench->b : bench->a) + i * bench->row_values,
                   bench->rows + bench->pairs[i][k] * bench->row_values,
                   bench->row_values * sizeof(float));
    *loss = step(bench, bench->cached);
    return now_ms(bench) - began;
}

static double step_naive(struct bench *bench, double *loss) {
    struct error err;
    for (unsigned i = 0; i < 2 * PAIRS; i++)
        memcpy(bench->batch_faces + (size_t)i * FACE,
               bench->faces + (size_t)bench->pairs[i % PAIRS][i / PAIRS] * FACE,
               FACE * sizeof(float));
    double began = now_ms(bench);
    if (network_train_freeze(bench->plain, bench->batch_faces, PAIRS, bench->a, &err) !=
            STATUS_OK ||
        network_train_freeze(bench->plain, bench->batch_faces + (size_t)PAIRS * FACE, PAIRS,
                             bench->b, &err) != STATUS_OK)
        die(err.detail);
    *loss = step(bench, bench->plain);
    return now_ms(bench) - began;
}

/* ---- the program ---- */

static unsigned number(const char *text, unsigned least, unsigned most) {
    unsigned long value = strtoul(text, NULL, 10);
    if (value < least || value > most)
        die("a number is out of its range");
    return (unsigned)value;
}

static void parse(int argc, char **argv, struct bench *bench) {
    static const struct option options[] = {
        {"threads", required_argument, NULL, 't'}, {"steps", required_argument, NULL, 's'},
        {"naive", required_argument, NULL, 'n'},   {"images", required_argument, NULL, 'i'},
        {"device", required_argument, NULL, 'd'},  {NULL, 0, NULL, 0}};
    *bench = (struct bench){.device = "cpu", .threads = 1, .steps = 8, .naive = 2, .images = 128};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 't')
            bench->threads = number(optarg, 1, 256);
        else if (option == 's')
            bench->steps = number(optarg, 1, STEPS_MAX);
        else if (option == 'n')
            bench->naive = number(optarg, 1, STEPS_MAX);
        else if (option == 'i')
            bench->images = number(optarg, 4, IMAGES_MAX) & ~1U;
        else if (option == 'd')
            bench->device = optarg;
        else
            exit(2);
    }
    if (bench->naive > bench->steps)
        die("--naive is at most --steps");
}

static void begin(struct bench *bench) {
    const struct card card = card_of_network();
    const struct network_train_options options = NETWORK_TRAIN_OPTIONS_DEFAULT;
    char path[] = "/tmp/facepair-bench-XXXXXX", weights[64];
    struct error err;
    if (!mkdtemp(path) || network_runtime_open(bench->device, bench->threads, &err) != STATUS_OK)
        die("cannot begin");
    snprintf(weights, sizeof(weights), "%s/weights.safetensors", path);
    printf("a vision transformer of %.1f million parameters, %u thread(s)\n",
           (double)write_network(weights) / 1e6, bench->threads);
    enum status status = network_train_begin(&card, weights, &options, &bench->cached, &err);
    if (status == STATUS_OK)
        status = network_train_begin(&card, weights, &options, &bench->plain, &err);
    unlink(weights);
    rmdir(path);
    if (status != STATUS_OK)
        die(err.detail);
    bench->row_values = network_train_row_values(bench->cached);
    bench->faces = allocate((size_t)bench->images * FACE, sizeof(float));
    bench->rows = allocate(bench->images * bench->row_values, sizeof(float));
    bench->a = allocate(PAIRS * bench->row_values, sizeof(float));
    bench->b = allocate(PAIRS * bench->row_values, sizeof(float));
    bench->batch_faces = allocate((size_t)2 * PAIRS * FACE, sizeof(float));
}

static void end(struct bench *bench) {
    network_train_end(bench->cached);
    network_train_end(bench->plain);
    free(bench->faces);
    free(bench->rows);
    free(bench->a);
    free(bench->b);
    free(bench->batch_faces);
}

static void fill(struct bench *bench) {
    struct error err;
    double began = now_ms(bench);
    if (network_train_freeze(bench->cached, bench->faces, bench->images, bench->rows, &err) !=
        STATUS_OK)
        die(err.detail);
    double took = now_ms(bench) - began;
    printf("filled with the rows of %u images: %.1f s (%.0f ms an image), %.1f MB (%zu bytes an "
           "image)\n",
           bench->images, took / 1e3, took / bench->images,
           (double)bench->images * (double)bench->row_values * sizeof(float) / 1e6,
           bench->row_values * sizeof(float));
    fflush(stdout);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, unsigned count) {
    qsort(values, count, sizeof(*values), by_value);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

int main(int argc, char **argv) {
    struct bench bench;
    parse(argc, argv, &bench);
    begin(&bench);
    struct random_generator generator = random_seeded(6);
    draw_faces(&bench, &generator);
    fill(&bench);
    double cached_ms[STEPS_MAX], naive_ms[STEPS_MAX], most = 0;
    for (unsigned i = 0; i < bench.steps; i++) {
        double loss, naive_loss;
        draw_pairs(&bench, &generator);
        cached_ms[i] = step_cached(&bench, &loss);
        printf("step %u: %.0f ms on rows, loss %.7g", i + 1, cached_ms[i], loss);
        if (i < bench.naive) {
            naive_ms[i] = step_naive(&bench, &naive_loss);
            most = fmax(most, fabs(loss - naive_loss) / naive_loss);
            printf("; %.0f ms naively, loss %.7g", naive_ms[i], naive_loss);
        }
        printf("\n");
        fflush(stdout);
    }
    double cached = median(cached_ms, bench.steps), naive = median(naive_ms, bench.naive);
    printf("medians: %.0f ms on rows (of %u), %.0f ms naively (of %u): ratio %.4f, asked at most "
           "%g\nlargest difference of a loss: %.2e of it, asked at most %g\n",
           cached, bench.steps, naive, bench.naive, cached / naive, RATIO_BAR, most, LOSS_BAR);
    end(&bench);
    return cached <= RATIO_BAR * naive && most <= LOSS_BAR ? 0 : 1;
}
