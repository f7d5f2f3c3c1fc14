/* Milliseconds a face of network_embed: batches of several sizes in interleaved rounds, one thread
 * unless told otherwise; medians over the rounds.
 *
 *   bench_embed DATA_DIRECTORY [--threads N] [--workers N] [--rounds N] [--batches 1,2,8] [--json]
 *               [--clock wall|cpu] [--dump FILE] [--device D] [--model NAME] [--libtorch]
 * [--overwrite]
 *
 * --workers N computes in N threads at once, each with its own network (N workers × THREADS), and
 * divides the time by all their faces: the table that chooses between n × 1 and 1 × n.
 * --clock cpu counts the process's processor time instead, which a busy machine disturbs less.
 * --libtorch takes it where we have our own code; --overwrite overwrites what it frees, as a server
 * does.
 * --dump FILE embeds 8 faces and writes them and their embeddings (float32) for onnx_peer.py
 * --check.
 */
#include "model/card.h"
#include "model/network/engine.h"
#include "model/network/network.h"

#include <getopt.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCHES_MAX = 16, WORKERS_MAX = 64, BATCH_MAX = 256, ROUNDS_MAX = 10000 };

struct bench {
    const char *data, *device, *model;
    unsigned threads, workers, rounds;
    unsigned batches[BATCHES_MAX];
    size_t batches_count;
    bool json, libtorch, overwrite;
    clockid_t clock;
    const char *dump;
};

struct worker {
    struct network *network;
    float *faces, *out;
    size_t face_bytes, embedding_bytes;
    unsigned batch, calls;
    pthread_barrier_t *start;
};

static double now_ms(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void die(const char *what) {
    fprintf(stderr, "bench_embed: %s\n", what);
    exit(1);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void parse(int argc, char **argv, struct bench *bench) {
    static const struct option options[] = {
        {"threads", required_argument, NULL, 't'}, {"workers", required_argument, NULL, 'w'},
        {"rounds", required_argument, NULL, 'r'},  {"batches", required_argument, NULL, 'b'},
        {"json", no_argument, NULL, 'j'},          {"clock", required_argument, NULL, 'c'},
        {"dump", required_argument, NULL, 'd'},    {"device", required_argument, NULL, 'D'},
        {"model", required_argument, NULL, 'm'},   {"libtorch", no_argument, NULL, 'l'},
        {"overwrite", no_argument, NULL, 'o'},     {NULL, 0, NULL, 0}};
    *bench = (struct bench){.device = "cpu",
                            .model = "dlib-resnet",
                            .threads = 1,
                            .workers = 1,
                            .rounds = 15,
                            .clock = CLOCK_MONOTONIC};
    char batches[] = "1,2,8,16,32", *list = batches;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 't':
            bench->threads = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'w':
            bench->workers = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            bench->rounds = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'b':
            list = optarg;
            break;
        case 'j':
            bench->json = true;
            break;
        case 'c':
            bench->clock = strcmp(optarg, "cpu") ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID;
            break;
        case 'd':
            bench->dump = optarg;
            break;
        case 'D':
            bench->device = optarg;
            break;
        case 'm':
            bench->model = optarg;
            break;
        case 'l':
            bench->libtorch = true;
            break;
        case 'o':
            bench->overwrite = true;
            break;
        default:
            exit(2);
        }
    }
    if (optind + 1 != argc || bench->rounds == 0 || bench->rounds > ROUNDS_MAX ||
        bench->workers == 0 || bench->workers > WORKERS_MAX)
        die("give the data directory, and sensible numbers");
    bench->data = argv[optind];
    for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
        unsigned long batch = strtoul(word, NULL, 10);
        if (batch == 0 || batch > BATCH_MAX || bench->batches_count == BATCHES_MAX)
            die("a batch size out of range");
        bench->batches[bench->batches_count++] = (unsigned)batch;
    }
}

static struct worker open_worker(const struct bench *bench) {
    char path[4096];
    struct card card;
    struct error err;
    struct worker worker = {0};
    snprintf(path, sizeof(path), "%s/models/%s/1", bench->data, bench->model);
    if (card_read(path, &card, &err) != STATUS_OK)
        die(err.detail);
    snprintf(path, sizeof(path), "%s/models/%s/1/weights.safetensors", bench->data, bench->model);
    enum status status =
        bench->libtorch ? network_open_by(&network_engine_torch, &card, path, &worker.network, &err)
                        : network_open(&card, path, &worker.network, &err);
    if (status != STATUS_OK)
        die(err.detail);
    size_t length = (size_t)3 * card.input.side * card.input.side;
    worker.face_bytes = length * sizeof(float);
    worker.embedding_bytes = card.embedding_length * sizeof(float);
    worker.faces = calloc(BATCH_MAX, worker.face_bytes);
    worker.out = calloc(BATCH_MAX, worker.embedding_bytes);
    if (!worker.faces || !worker.out)
        die("out of memory");
    uint32_t state = 1; /* any pixels do: the time does not depend on them */
    for (size_t i = 0; i < BATCH_MAX * length; i++) {
        state = state * 1664525u + 1013904223u;
        worker.faces[i] = (float)(state >> 8) / (float)(1u << 24) - 0.5f;
    }
    card_release(&card);
    return worker;
}

static void *embed(void *argument) {
    struct worker *worker = argument;
    struct error err;
    pthread_barrier_wait(worker->start);
    for (unsigned i = 0; i < worker->calls; i++)
        if (network_embed(worker->network, worker->faces, worker->batch, worker->out, &err) !=
            STATUS_OK)
            die(err.detail);
    return NULL;
}

/* All workers embed `calls` batches at once -> milliseconds a face. */
static double measure(struct worker *workers, unsigned count, unsigned batch, unsigned calls,
                      clockid_t clock) {
    pthread_t threads[WORKERS_MAX];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, count + 1);
    for (unsigned i = 0; i < count; i++) {
        workers[i].batch = batch;
        workers[i].calls = calls;
        workers[i].start = &start;
        if (pthread_create(&threads[i], NULL, embed, &workers[i]) != 0)
            die("cannot start a thread");
    }
    pthread_barrier_wait(&start);
    double begun = now_ms(clock);
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    double took = now_ms(clock) - begun;
    pthread_barrier_destroy(&start);
    return took / ((double)batch * calls * count);
}

static void dump(struct worker *worker, const char *path) {
    enum { FACES = 8 };
    struct error err;
    if (network_embed(worker->network, worker->faces, FACES, worker->out, &err) != STATUS_OK)
        die(err.detail);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(worker->faces, worker->face_bytes, FACES, file) != FACES ||
        fwrite(worker->out, worker->embedding_bytes, FACES, file) != FACES || fclose(file) != 0)
        die("cannot write the dump");
}

static void run(const struct bench *bench, struct worker *workers) {
    static double times[BATCHES_MAX][ROUNDS_MAX];
    for (unsigned round = 0; round <= bench->rounds; round++) /* round 0 warms up */
        for (size_t b = 0; b < bench->batches_count; b++) {
            unsigned batch = bench->batches[b], calls = batch >= 16 ? 1 : 16 / batch;
            double ms = measure(workers, bench->workers, batch, calls, bench->clock);
            if (round > 0)
                times[b][round - 1] = ms;
        }
    for (size_t b = 0; b < bench->batches_count; b++) {
        qsort(times[b], bench->rounds, sizeof(double), by_value);
        printf(bench->json ? "{\"batch\": %u, \"ms_a_face\": %.3f}\n"
                           : "batch %2u: %7.3f ms a face\n",
               bench->batches[b], times[b][bench->rounds / 2]);
    }
}

int main(int argc, char **argv) {
    struct bench bench;
    struct error err;
    static struct worker workers[WORKERS_MAX];

    parse(argc, argv, &bench);
    if (network_runtime_open(bench.device, bench.threads, &err) != STATUS_OK)
        die(err.detail);
    if (bench.overwrite)
        network_runtime_overwrite();
    for (unsigned i = 0; i < bench.workers; i++)
        workers[i] = open_worker(&bench);
    if (bench.dump)
        dump(&workers[0], bench.dump);
    else
        run(&bench, workers);
    for (unsigned i = 0; i < bench.workers; i++) {
        network_close(workers[i].network);
        free(workers[i].faces);
        free(workers[i].out);
    }
    return 0;
}
