#include "model/image/webp_memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

static _Thread_local uint64_t limit = PTRDIFF_MAX;
static _Thread_local enum webp_memory outcome;

void webp_memory_limit(uint64_t bytes) {
    limit = bytes < PTRDIFF_MAX ? bytes : PTRDIFF_MAX;
    outcome = WEBP_MEMORY_GIVEN;
}

enum webp_memory webp_memory_outcome(void) { return outcome; }

static bool may_take(uint64_t count, size_t size) {
    uint64_t bytes;
    bool small = !__builtin_mul_overflow(count, size, &bytes) && bytes <= limit;
    if (!small)
        outcome = WEBP_MEMORY_TOO_LARGE;
    return small;
}

static void *taken(void *memory) {
    if (!memory)
        outcome = WEBP_MEMORY_NOT_THERE;
    return memory;
}

/* In the place of libwebp's (utils/utils.h there), whose WebPSafeFree is free(). */
void *WebPSafeMalloc(uint64_t count, size_t size);
void *WebPSafeCalloc(uint64_t count, size_t size);

void *WebPSafeMalloc(uint64_t count, size_t size) {
    return may_take(count, size) ? taken(malloc((size_t)count * size)) : NULL;
}

void *WebPSafeCalloc(uint64_t count, size_t size) {
    return may_take(count, size) ? taken(calloc((size_t)count, size)) : NULL;
}
