/* A network without a network: model/network/network.h answered deterministically after a set
 * delay, so that everything around the real one is tested and measured without its time in the way.
 *
 * An embedding is a coarse picture of the input: the (3, side, side) values are cut into
 * embedding_length equal runs, and a component is the mean of SAMPLES values of its run. So equal
 * faces have distance 0, similar ones a small distance, and a permutation of the batch, a swapped
 * pair or a wrong offset shows.
 *
 * The delay is slept, not burnt, as if the device were not the CPU: FACEPAIR_STUB_BATCH_US a call
 * and FACEPAIR_STUB_FACE_US a face, read from the environment when a network is opened; with
 * FACEPAIR_STUB_SLOW_MODEL only that model has them.
 */
#include "tests/stub_network.h"

#include "model/network/network.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SAMPLES = 16, DELAY_US_MAX = 10000000 };

struct network {
    size_t face_values; /* 3 × side × side */
    uint32_t length;
    long batch_us, face_us;
};

static long delay_from_environment(const char *name) {
    const char *text = getenv(name);
    long us = text ? strtol(text, NULL, 10) : 0;
    return us < 0 ? 0 : us > DELAY_US_MAX ? DELAY_US_MAX : us;
}

enum status network_runtime_open(const char *device, unsigned threads, struct error *err) {
    (void)threads;
    if (strcmp(device, "cpu") != 0)
        return error_set(err, STATUS_INTERNAL, "the stub network has no device %s", device);
    return STATUS_OK;
}

void network_runtime_overwrite(void) {}

uint64_t network_memory_bytes(const struct card *card, uint64_t weights_bytes) {
    (void)card;
    return weights_bytes;
}

enum status network_open(const struct card *card, const char *weights_path,
                         struct network **network, struct error *err) {
    (void)weights_path;
    struct network *stub = calloc(1, sizeof(*stub));
    if (!stub)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    stub->face_values = (size_t)3 * card->input.side * card->input.side;
    stub->length = card->embedding_length;
    const char *slow = getenv("FACEPAIR_STUB_SLOW_MODEL");
    if (!slow || strcmp(slow, card->name) == 0) {
        stub->batch_us = delay_from_environment("FACEPAIR_STUB_BATCH_US");
        stub->face_us = delay_from_environment("FACEPAIR_STUB_FACE_US");
    }
    *network = stub;
    return STATUS_OK;
}

enum status network_trust_torchscript(const char *sha256, struct error *err) {
    (void)sha256, (void)err;
    return STATUS_OK; /* the stub runs nothing */
}

void network_close(struct network *network) { free(network); }

static void embed_face(const struct network *network, const float *face, float *out) {
    size_t run = network->face_values / network->length;
    size_t step = run / SAMPLES ? run / SAMPLES : 1;
    for (uint32_t k = 0; k < network->length; k++) {
        float sum = 0;
        size_t taken = 0;
        for (size_t i = 0; i < run && taken < SAMPLES; i += step, taken++)
            sum += face[k * run + i];
        out[k] = taken ? sum / (float)taken : 0;
    }
}

enum status network_embed(struct network *network, const float *faces, uint32_t n, float *out,
                          struct error *err) {
    long us = network->batch_us + network->face_us * (long)n;
    if (us > 0)
        nanosleep(&(struct timespec){us / 1000000, us % 1000000 * 1000}, NULL);
    for (uint32_t i = 0; i < n; i++) {
        const float *face = faces + i * network->face_values;
        if (face[0] == STUB_FACE_FAILS)
            return error_set(err, STATUS_INTERNAL, "the stub network was told to fail");
        if (face[0] == STUB_FACE_HANGS)
            nanosleep(&(struct timespec){.tv_sec = 3}, NULL);
        embed_face(network, face, out + (size_t)i * network->length);
    }
    return STATUS_OK;
}
