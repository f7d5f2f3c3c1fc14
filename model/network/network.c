#include "model/network/network.h"
#include "model/network/engine.h"

#include <assert.h>
#include <stdlib.h>

struct network {
    const struct network_engine *engine;
    void *state;
};

/* The first that takes a card computes it; the last takes all. */
static const struct network_engine *const ENGINES[] = {&network_engine_cpu, &network_engine_torch};

enum status network_open_by(const struct network_engine *engine, const struct card *card,
                            const char *weights_path, struct network **result, struct error *err) {
    assert(engine->takes(card));
    struct network *network = malloc(sizeof *network);
    if (!network)
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    network->engine = engine;
    enum status status = engine->open(card, weights_path, &network->state, err);
    if (status != STATUS_OK) {
        free(network);
        return status;
    }
    *result = network;
    return STATUS_OK;
}

static const struct network_engine *engine_of(const struct card *card) {
    const struct network_engine *const *engine = ENGINES;
    while (!(*engine)->takes(card))
        engine++;
    return *engine;
}

enum status network_open(const struct card *card, const char *weights_path,
                         struct network **network, struct error *err) {
    return network_open_by(engine_of(card), card, weights_path, network, err);
}

uint64_t network_memory_bytes(const struct card *card, uint64_t weights_bytes) {
    return engine_of(card)->memory_bytes(card, weights_bytes);
}

void network_close(struct network *network) {
    if (network)
        network->engine->close(network->state);
    free(network);
}

enum status network_embed(struct network *network, const float *faces, uint32_t n, float *out,
                          struct error *err) {
    return network->engine->embed(network->state, faces, n, out, err);
}
