#include "server/wipe.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

enum { STACK_BYTES = 64 * 1024 };

/* Not inlined, or the array would be part of the caller's frame and lie above what is to go. */
__attribute__((noinline)) void wipe_stack(void) {
    char below[STACK_BYTES];
    explicit_bzero(below, sizeof below);
}

void wipe_and_free(void *memory) {
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}
