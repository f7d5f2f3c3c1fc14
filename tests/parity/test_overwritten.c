/* What libtorch leaves of an embedding in this process's memory, all of which is searched: the
 * embedding itself without network_runtime_overwrite(), or the search would find nothing; nothing
 * with it.
 *
 * Whether a given one is still there is chance (1 run in 10 of one batch found nothing): its memory
 * gets a next owner, perhaps the search itself. So batches of several sizes are tried. */
#include "model/card.h"
#include "model/network/engine.h"
#include "model/network/network.h"
#include "server/wipe.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { BATCHES = 8, FACES = 4, NEEDLE = 4 * sizeof(float), PIECE = 1 << 20 };

struct fixture {
    struct card card;
    struct network *network;
    uint8_t *piece; /* what is read of memory; not searched itself */
};

/* Sixteen bytes of an embedding, turned round so that they are not found here. */
struct needle {
    uint8_t inverted[NEEDLE];
};

static bool stands_at(const struct needle *needle, const uint8_t *at) {
    for (size_t i = 0; i < NEEDLE; i++)
        if (at[i] + needle->inverted[i] != UINT8_MAX)
            return false;
    return true;
}

/* Embeddings of `count` faces drawn from `seed`; in this process they are not kept. */
static struct needle embed(struct fixture *f, size_t count, unsigned seed) {
    size_t side = f->card.input.side, values = count * 3 * side * side;
    size_t length = f->card.embedding_length;
    float *faces = malloc(values * sizeof *faces), *out = calloc(count * length, sizeof *out);
    struct needle needle;
    struct error err;
    assert_non_null(faces);
    assert_non_null(out);
    for (size_t i = 0; i < values; i++)
        faces[i] = (float)((seed = seed * 1664525 + 1013904223) >> 8) / (1 << 23) - 1;
    if (network_embed(f->network, faces, count, out, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    const uint8_t *from = (const uint8_t *)(out + (count - 1) * length + length / 2);
    for (size_t i = 0; i < NEEDLE; i++)
        needle.inverted[i] = (uint8_t)(UINT8_MAX - from[i]);
    wipe_and_free(out);
    wipe_and_free(faces);
    wipe_stack();
    return needle;
}

static size_t count_in(const struct fixture *f, const struct needle *needle, int memory,
                       uint64_t from, uint64_t to) {
    size_t count = 0;
    while (from + NEEDLE <= to) {
        ssize_t got = pread(memory, f->piece, PIECE, (off_t)from);
        size_t size = got > 0 ? (size_t)got : 0;
        size = size < to - from ? size : to - from;
        if (size < NEEDLE)
            break;
        for (size_t i = 0; i + NEEDLE <= size; i += sizeof(float))
            count += stands_at(needle, f->piece + i);
        from += size - NEEDLE + sizeof(float);
    }
    return count;
}

static size_t count(const struct fixture *f, const struct needle *needle) {
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512], mode[5];
    unsigned long from, to;
    size_t found = 0;
    assert_true(memory >= 0 && maps);
    while (fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 && mode[0] == 'r' &&
            mode[1] == 'w' && (uintptr_t)f->piece != from)
            found += count_in(f, needle, memory, from, to);
    fclose(maps);
    close(memory);
    return found;
}

/* How many of BATCHES embeddings are there once their batch is through. */
static size_t found(struct fixture *f, unsigned seed) {
    size_t batches = 0;
    for (unsigned i = 0; i < BATCHES; i++) {
        struct needle needle = embed(f, 1 + i % FACES, seed + i);
        batches += count(f, &needle) > 0;
    }
    return batches;
}

static void an_embedding_is_found_until_what_is_freed_is_overwritten(void **state) {
    struct fixture *f = *state;
    assert_true(found(f, 1) > 0);
    network_runtime_overwrite();
    assert_int_equal(found(f, 1 + BATCHES), 0);
}

static int open_network(void **state) {
    static struct fixture f;
    static const char directory[] = FACEPAIR_PARITY_DATA "/models/dlib-resnet/1";
    struct error err;
    /* A mapping of its own, with pages about it that cannot be read. */
    uint8_t *around = mmap(NULL, 3 * PIECE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (around == MAP_FAILED || mprotect(around + PIECE, PIECE, PROT_READ | PROT_WRITE) != 0)
        return -1;
    f.piece = around + PIECE;
    if (network_runtime_open("cpu", 1, &err) != STATUS_OK ||
        card_read(directory, &f.card, &err) != STATUS_OK ||
        network_open_by(&network_engine_torch, &f.card,
                        FACEPAIR_PARITY_DATA "/models/dlib-resnet/1/weights.safetensors",
                        &f.network, &err) != STATUS_OK) {
        print_error("%s\n", err.detail);
        return -1;
    }
    *state = &f;
    return 0;
}

static int close_network(void **state) {
    struct fixture *f = *state;
    network_close(f->network);
    card_release(&f->card);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_embedding_is_found_until_what_is_freed_is_overwritten),
    };
    return cmocka_run_group_tests(tests, open_network, close_network);
}
