/* A growing array of bytes with a limit, for what a client sends: the limit is checked before
 * anything is allocated, and every array that is given back is overwritten first, also the smaller
 * one that growing leaves behind; large ones may be kept for the next body (server/spare.h). */
#ifndef FACEPAIR_SERVER_HTTP_BUFFER_H
#define FACEPAIR_SERVER_HTTP_BUFFER_H

#include "server/spare.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *data; /* NULL while nothing was appended */
    size_t size, capacity;
    size_t size_max;
    struct spare *spare; /* where data is from; borrowed, NULL allowed */
};

enum buffer_outcome { BUFFER_OK, BUFFER_FULL, BUFFER_NO_MEMORY };

/* Appends `size` bytes. `hint` is how many bytes are expected in all (0: unknown): the first
 * allocation is that large, so that a declared body is not copied while it grows. */
enum buffer_outcome buffer_append(struct buffer *buffer, const uint8_t *data, size_t size,
                                  size_t hint);
void buffer_wipe(struct buffer *buffer); /* overwrites, gives back, empties */

#endif
