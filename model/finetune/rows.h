/* Room for what the frozen part of a network gives of each view (network_train_freeze), filled once
 * and read in every epoch: in memory, or, where that would be too much, in a file of the work
 * directory that is mapped into it. The file has no name while it is in use, so that a process
 * which dies leaves nothing, and its blocks are taken when it is made, so that a disk that fills up
 * later is no harm. */
#ifndef FACEPAIR_MODEL_FINETUNE_ROWS_H
#define FACEPAIR_MODEL_FINETUNE_ROWS_H

#include "server/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rows_limits {
    uint64_t memory_bytes, disk_bytes;
    const char *directory; /* of the file */
};

struct rows {
    float *data; /* (count, values), zero at first */
    size_t count, values;
    uint64_t bytes;
    bool on_disk;
};

/* STATUS_STORAGE_FULL: beyond both limits, or the disk has less. On STATUS_OK the caller releases
 * it. */
enum status rows_create(size_t count, size_t values, const struct rows_limits *limits,
                        struct rows *rows, struct error *err);
void rows_release(struct rows *rows); /* a zeroed one is allowed */

static inline float *rows_at(const struct rows *rows, size_t row) {
    return rows->data + row * rows->values;
}

#endif
