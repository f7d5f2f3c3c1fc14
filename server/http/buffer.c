#include "server/http/buffer.h"

#include <string.h>

enum { CAPACITY_LEAST = 256 };

static size_t capacity_for(const struct buffer *buffer, size_t needed, size_t hint) {
    size_t capacity = buffer->capacity * 2;
    if (capacity < hint)
        capacity = hint;
    if (capacity < CAPACITY_LEAST)
        capacity = CAPACITY_LEAST;
    if (capacity > buffer->size_max)
        capacity = buffer->size_max;
    return capacity < needed ? needed : capacity;
}

/* Not realloc(): it would leave a copy of the bytes behind in freed memory. */
static bool buffer_grow(struct buffer *buffer, size_t capacity) {
    uint8_t *data = spare_take(buffer->spare, capacity);
    if (!data)
        return false;
    size_t size = buffer->size;
    if (size > 0)
        memcpy(data, buffer->data, size);
    buffer_wipe(buffer);
    buffer->data = data;
    buffer->size = size;
    buffer->capacity = capacity;
    return true;
}

enum buffer_outcome buffer_append(struct buffer *buffer, const uint8_t *data, size_t size,
                                  size_t hint) {
    if (size > buffer->size_max - buffer->size)
        return BUFFER_FULL;
    if (size == 0)
        return BUFFER_OK;
    size_t needed = buffer->size + size;
    if (needed > buffer->capacity && !buffer_grow(buffer, capacity_for(buffer, needed, hint)))
        return BUFFER_NO_MEMORY;
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size = needed;
    return BUFFER_OK;
}

void buffer_wipe(struct buffer *buffer) {
    spare_give(buffer->spare, buffer->data, buffer->size);
    buffer->data = NULL;
    buffer->size = buffer->capacity = 0;
}
