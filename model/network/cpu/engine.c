/* Whether our own code computes a card, and network.h's functions when it does, for each
 * instruction set that it is compiled for. Compiled itself for the baseline architecture, so that
 * an older processor reaches the answer "no" instead of an illegal instruction. */
#include "model/network/engine.h"

#include <string.h>

#ifdef FACEPAIR_X86_64_V3

#include "model/network/cpu/dlib_resnet.h"

static bool has_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

/* Of x86-64-v4, which the compiler is told, all that counts here. */
static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

static bool knows(const struct card *card) {
    return network_runtime_on_cpu() && strcmp(card->architecture, "dlib-resnet") == 0;
}

/* Twice the file: some layers keep Winograd's 36 numbers for 9 weights, the large ones the weights
 * as they are; and each thread has a workspace of the maps. */
static uint64_t memory_bytes(const struct card *card, uint64_t weights_bytes) {
    enum { COPIES = 2, WORKSPACE_BYTES = 12 << 20 };
    (void)card;
    return COPIES * weights_bytes + (uint64_t)network_runtime_threads() * WORKSPACE_BYTES;
}

static enum status open_network(const struct dlib_resnet_code *code, const struct card *card,
                                const char *weights_path, void **state, struct error *err) {
    struct dlib_resnet *network;
    if (card->input.kind != CARD_INPUT_CHIP || card->input.side != DLIB_RESNET_SIDE ||
        card->embedding.network_length != DLIB_RESNET_EMBEDDING)
        return error_set(err, STATUS_INTERNAL,
                         "%.100s: dlib-resnet takes chips of side 150 and gives 128 numbers",
                         weights_path);
    enum status status = code->open(weights_path, card->embedding.head ? 1 : 0,
                                    network_runtime_threads(), &network, err);
    if (status == STATUS_OK)
        *state = network;
    return status;
}

#define ENGINE(set)                                                                                \
    static bool takes_##set(const struct card *card) { return has_##set() && knows(card); }        \
    static enum status open_##set(const struct card *card, const char *weights_path, void **state, \
                                  struct error *err) {                                             \
        return open_network(&dlib_resnet_##set, card, weights_path, state, err);                   \
    }                                                                                              \
    static void close_##set(void *state) { dlib_resnet_##set.close(state); }                       \
    static enum status embed_##set(void *state, const float *faces, uint32_t n, float *out,        \
                                   struct error *err) {                                            \
        (void)err;                                                                                 \
        dlib_resnet_##set.embed(state, faces, n, out);                                             \
        return STATUS_OK;                                                                          \
    }                                                                                              \
    const struct network_engine network_engine_##set = {.name = #set,                              \
                                                        .takes = takes_##set,                      \
                                                        .memory_bytes = memory_bytes,              \
                                                        .open = open_##set,                        \
                                                        .close = close_##set,                      \
                                                        .embed = embed_##set};

#else

#define ENGINE(set)                                                                                \
    static bool takes_##set(const struct card *card) {                                             \
        (void)card;                                                                                \
        return false;                                                                              \
    }                                                                                              \
    const struct network_engine network_engine_##set = {.name = #set, .takes = takes_##set};

#endif

ENGINE(avx2)
ENGINE(avx512)
