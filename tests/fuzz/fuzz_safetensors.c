/* Any bytes as the header of a weights file. The first two say how much data is claimed to follow,
 * so that honest files are within reach. What is accepted must keep its promises. */
#include "model/safetensors_header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct safetensors_header header;
    struct error err;
    if (size < 2)
        return 0;
    uint64_t data_bytes = (uint64_t)bytes[0] | (uint64_t)bytes[1] << 8, covered = 0;
    if (safetensors_header_parse((const char *)bytes + 2, size - 2, data_bytes, &header, &err) !=
        STATUS_OK)
        return 0;
    for (size_t i = 0; i < header.count; i++) {
        const struct safetensors_header_entry *entry = &header.entries[i];
        if (entry->begin > entry->end || entry->end > data_bytes ||
            entry->begin % sizeof(float) != 0)
            abort();
        covered += entry->end - entry->begin;
    }
    if (covered != data_bytes)
        abort();
    safetensors_header_release(&header);
    return 0;
}
