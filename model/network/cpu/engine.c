/* Whether our own code computes a card, and network.h's functions when it does. Compiled for the
 * baseline architecture, so that an older processor reaches the answer "no" instead of an illegal
 * instruction. */
#include "model/network/engine.h"

#include <string.h>

#ifdef FACEPAIR_X86_64_V3

#include "model/network/cpu/dlib_resnet.h"

static bool takes(const struct card *card) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           network_runtime_on_cpu() && strcmp(card->architecture, "dlib-resnet") == 0;
}

/* Twice the file: some layers keep Winograd's 36 numbers for 9 weights, the large ones the weights
 * as they are; and each thread has a workspace of the maps. */
static uint64_t memory_bytes(const struct card *card, uint64_t weights_bytes) {
    enum { COPIES = 2, WORKSPACE_BYTES = 12 << 20 };
    (void)card;
    return COPIES * weights_bytes + (uint64_t)network_runtime_threads() * WORKSPACE_BYTES;
}

static enum status open_network(const struct card *card, const char *weights_path, void **state,
                                struct error *err) {
    struct dlib_resnet *network;
    if (card->input.kind != CARD_INPUT_CHIP || card->input.side != DLIB_RESNET_SIDE ||
        card->embedding.network_length != DLIB_RESNET_EMBEDDING)
        return error_set(err, STATUS_INTERNAL,
                         "%.100s: dlib-resnet takes chips of side 150 and gives 128 numbers",
                         weights_path);
    enum status status = dlib_resnet_open(weights_path, card->embedding.head ? 1 : 0,
                                          network_runtime_threads(), &network, err);
    if (status == STATUS_OK)
        *state = network;
    return status;
}

static void close_network(void *state) { dlib_resnet_close(state); }

static enum status embed(void *state, const float *faces, uint32_t n, float *out,
                         struct error *err) {
    (void)err;
    dlib_resnet_embed(state, faces, n, out);
    return STATUS_OK;
}

const struct network_engine network_engine_cpu = {.name = "cpu",
                                                  .takes = takes,
                                                  .memory_bytes = memory_bytes,
                                                  .open = open_network,
                                                  .close = close_network,
                                                  .embed = embed};

#else

static bool takes(const struct card *card) {
    (void)card;
    return false;
}

const struct network_engine network_engine_cpu = {.name = "cpu", .takes = takes};

#endif
