/* An engine computes what the network gives; what the card wants done with it (finish.h) is done
 * here, on the calling thread. Mirror images double the batch: faces and images go to the engine
 * together, in as many steps as keep both below INPUTS_BYTES_MAX. */
#include "model/network/network.h"
#include "model/network/engine.h"
#include "model/network/finish.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS_MAX = 64, INPUTS_BYTES_MAX = 32 << 20 };

struct network {
    const struct network_engine *engine;
    void *state;
    struct finish finish;
    uint32_t side;
    size_t face_values; /* 3 × side × side */
    uint32_t step;      /* faces that the engine is given at once, when there is something to do */
    float *inputs;      /* (2 × step, 3, side, side): faces, then their mirror images; or NULL */
    float *raw;         /* (step, or 2 × step, network_length); NULL: nothing is to be done */
};

/* The first that takes a card computes it; the last takes all. */
static const struct network_engine *const ENGINES[] = {&network_engine_avx512, &network_engine_avx2,
                                                       &network_engine_torch};

/* What is given to the engine at once: faces and their mirror images. */
static size_t inputs_at_once(size_t face_values, bool mirror) {
    size_t inputs = INPUTS_MAX;
    while (mirror && inputs > 2 && inputs * face_values * sizeof(float) > INPUTS_BYTES_MAX)
        inputs /= 2;
    return inputs;
}

static size_t face_values_of(const struct card *card) {
    return (size_t)3 * card->input.side * card->input.side;
}

static enum status reserve(struct network *network, struct error *err) {
    const struct finish *finish = &network->finish;
    if (!finish_needed(finish))
        return STATUS_OK;
    size_t inputs = inputs_at_once(network->face_values, finish->mirror);
    network->step = (uint32_t)(finish->mirror ? inputs / 2 : inputs);
    network->raw = calloc(inputs, finish->network_length * sizeof(float));
    if (finish->mirror)
        network->inputs = calloc(inputs, network->face_values * sizeof(float));
    if (!network->raw || (finish->mirror && !network->inputs))
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    return STATUS_OK;
}

enum status network_open_by(const struct network_engine *engine, const struct card *card,
                            const char *weights_path, struct network **result, struct error *err) {
    assert(engine->takes(card));
    struct network *network = calloc(1, sizeof *network);
    if (!network)
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    network->side = card->input.side;
    network->face_values = face_values_of(card);
    enum status status = finish_open(card, weights_path, &network->finish, err);
    if (status == STATUS_OK)
        status = reserve(network, err);
    if (status == STATUS_OK)
        status = engine->open(card, weights_path, &network->state, err);
    if (status == STATUS_OK) {
        network->engine = engine;
        *result = network;
    } else {
        network_close(network);
    }
    return status;
}

static const struct network_engine *engine_of(const struct card *card) {
    const struct network_engine *const *engine = ENGINES;
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it ends at the last, which takes all.
    while (!(*engine)->takes(card))
        engine++;
    return *engine;
}

enum status network_open(const struct card *card, const char *weights_path,
                         struct network **network, struct error *err) {
    return network_open_by(engine_of(card), card, weights_path, network, err);
}

uint64_t network_memory_bytes(const struct card *card, uint64_t weights_bytes) {
    bool mirror = card->embedding.mirror;
    size_t face_values = face_values_of(card), inputs = inputs_at_once(face_values, mirror);
    uint64_t mirror_bytes = mirror ? inputs * face_values * sizeof(float) : 0;
    return engine_of(card)->memory_bytes(card, weights_bytes) + mirror_bytes;
}

void network_close(struct network *network) {
    if (!network)
        return;
    if (network->engine)
        network->engine->close(network->state);
    finish_close(&network->finish);
    free(network->inputs);
    free(network->raw);
    free(network);
}

/* n ≤ step. Returns what the engine is to be given. */
static const float *add_mirror_images(struct network *network, const float *faces, uint32_t n) {
    memcpy(network->inputs, faces, n * network->face_values * sizeof(float));
    for (uint32_t i = 0; i < n; i++)
        finish_mirror(faces + i * network->face_values, network->side,
                      network->inputs + (n + i) * network->face_values);
    return network->inputs;
}

static enum status embed_step(struct network *network, const float *faces, uint32_t n, float *out,
                              struct error *err) {
    const struct finish *finish = &network->finish;
    bool mirror = finish->mirror;
    uint32_t inputs = mirror ? 2 * n : n, length = finish->network_length;
    enum status status = network->engine->embed(
        network->state, mirror ? add_mirror_images(network, faces, n) : faces, inputs, network->raw,
        err);
    for (uint32_t i = 0; i < n && status == STATUS_OK; i++)
        finish_embedding(finish, network->raw + (size_t)i * length,
                         mirror ? network->raw + (size_t)(n + i) * length : NULL,
                         out + (size_t)i * finish->length);
    /* Faces outlive their request here no more than in an engine's own memory. */
    if (mirror)
        explicit_bzero(network->inputs, inputs * network->face_values * sizeof(float));
    explicit_bzero(network->raw, (size_t)inputs * length * sizeof(float));
    return status;
}

enum status network_embed(struct network *network, const float *faces, uint32_t n, float *out,
                          struct error *err) {
    if (!network->raw)
        return network->engine->embed(network->state, faces, n, out, err);
    enum status status = STATUS_OK;
    for (uint32_t first = 0; first < n && status == STATUS_OK; first += network->step) {
        uint32_t count = n - first < network->step ? n - first : network->step;
        status = embed_step(network, faces + first * network->face_values, count,
                            out + (size_t)first * network->finish.length, err);
    }
    return status;
}
