#include "server/spare.h"

#include <assert.h>
#include <malloc.h>
#include <sanitizer/asan_interface.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    BLOCKS_MAX = 64,
    WASTE_MAX = 2, /* times what was asked for */
    HUGE_MIN = 4 * 1024 * 1024,
};

struct block {
    void *memory;
    size_t size; /* as malloc gave it, which may be more than was asked for */
};

struct spare {
    size_t bytes_max, bytes;
    unsigned count;
    struct block blocks[BLOCKS_MAX]; /* the oldest first */
};

struct spare *spare_create(size_t bytes_max) {
    struct spare *spare = calloc(1, sizeof *spare);
    if (spare)
        spare->bytes_max = bytes_max;
    return spare;
}

/* Takes the block at this place out of the list. */
static void *withdraw(struct spare *spare, unsigned place) {
    struct block block = spare->blocks[place];
    spare->count--;
    spare->bytes -= block.size;
    memmove(&spare->blocks[place], &spare->blocks[place + 1],
            (spare->count - place) * sizeof block);
    return block.memory;
}

void spare_destroy(struct spare *spare) {
    while (spare && spare->count > 0)
        free(withdraw(spare, spare->count - 1));
    free(spare);
}

/* Of 4 KiB, the pages of 50 megapixels are 36,000 faults, and two fifths of the time that it takes
 * to decode them from a JPEG (tests/bench/bench_decode 0). */
static void ask_for_huge_pages(void *block, size_t size) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)block;
    uintptr_t first = (begin + page - 1) & ~(page - 1), last = (begin + size) & ~(page - 1);
    (void)madvise((void *)first, last - first, MADV_HUGEPAGE); /* a kernel may have none */
}

/* Of those that are equally large the youngest, which may still lie in a cache. */
static void *take_kept(struct spare *spare, size_t size) {
    unsigned best = spare->count;
    for (unsigned i = spare->count; i-- > 0;) {
        size_t has = spare->blocks[i].size;
        if (has >= size && has / WASTE_MAX <= size &&
            (best == spare->count || has < spare->blocks[best].size))
            best = i;
    }
    return best < spare->count ? withdraw(spare, best) : NULL;
}

void *spare_take(struct spare *spare, size_t size) {
    void *block = spare ? take_kept(spare, size) : NULL;
    if (block) {
        ASAN_UNPOISON_MEMORY_REGION(block, size);
        return block;
    }
    block = malloc(size);
    if (block && size >= HUGE_MIN)
        ask_for_huge_pages(block, size);
    return block;
}

void spare_give(struct spare *spare, void *block, size_t used) {
    if (!block)
        return;
    size_t size = malloc_usable_size(block);
    assert(used <= size);
    explicit_bzero(block, used);
    if (!spare || size < SPARE_BLOCK_MIN || size > spare->bytes_max) {
        free(block);
        return;
    }
    while (spare->count == BLOCKS_MAX || spare->bytes + size > spare->bytes_max)
        free(withdraw(spare, 0));
    ASAN_POISON_MEMORY_REGION(block, size);
    spare->blocks[spare->count++] = (struct block){.memory = block, .size = size};
    spare->bytes += size;
}

size_t spare_bytes(const struct spare *spare) { return spare->bytes; }
