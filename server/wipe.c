#include "server/wipe.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void wipe_and_free(void *memory) {
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}
