/* One way of computing networks: network.h's functions are a table of these. An engine takes a card
 * or leaves it to the next in the table, by architecture, device and processor.
 */
#ifndef FACEPAIR_MODEL_NETWORK_ENGINE_H
#define FACEPAIR_MODEL_NETWORK_ENGINE_H

#include "model/card.h"
#include "server/status.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct network;

/* The functions' contracts are those of network_memory_bytes, network_open, network_close and
 * network_embed, except that `out` is (n, card->embedding.network_length): what the network gives,
 * before network.c makes an embedding of it. A head's tensor in the weights file is not the
 * engine's. `state` is its own. */
struct network_engine {
    const char *name; /* "avx512", "avx2", "torch" */
    bool (*takes)(const struct card *card);
    uint64_t (*memory_bytes)(const struct card *card, uint64_t weights_bytes);
    enum status (*open)(const struct card *card, const char *weights_path, void **state,
                        struct error *err);
    void (*close)(void *state);
    enum status (*embed)(void *state, const float *faces, uint32_t n, float *out,
                         struct error *err);
};

/* Our own code, for the architectures and processors that we have it for (cpu/engine.c). */
extern const struct network_engine network_engine_avx2, network_engine_avx512;
/* libtorch: every architecture, every device (torch/network.cpp). */
extern const struct network_engine network_engine_torch;

/* network_open by a given engine, for tests and benches that compare them. The engine takes the
 * card. */
enum status network_open_by(const struct network_engine *engine, const struct card *card,
                            const char *weights_path, struct network **network, struct error *err);

/* What network_runtime_open has chosen (torch/runtime.cpp, which keeps it). */
bool network_runtime_on_cpu(void);
unsigned network_runtime_threads(void);

#ifdef __cplusplus
}
#endif
#endif
