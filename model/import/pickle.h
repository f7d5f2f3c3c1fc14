/* A reader for the pickle that torch.save writes for a state dict, and for nothing else.
 *
 * A pickle is a program for a stack machine, and Python's machine can call any function that it can
 * import. This one knows the opcodes that a state dict needs (protocol 2) and four globals, each
 * with a meaning of its own here: collections.OrderedDict, torch._utils._rebuild_tensor_v2,
 * torch._utils._rebuild_parameter and torch.FloatStorage. Whatever else a file names or asks for is
 * refused with its name; nothing is ever called. Memory is bounded by the pickle's length.
 */
#ifndef FACEPAIR_MODEL_IMPORT_PICKLE_H
#define FACEPAIR_MODEL_IMPORT_PICKLE_H

#include "server/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    PICKLE_BYTES_MAX = 4 << 20,
    PICKLE_RANK_MAX = 8,
    PICKLE_NAME_MAX = 255, /* bytes, of a tensor and of a storage */
    PICKLE_TENSORS_MAX = 65535
};

/* A tensor of float32 in row-major order inside a storage of the archive. */
struct pickle_tensor {
    char name[PICKLE_NAME_MAX + 1];    /* its key in the state dict */
    char storage[PICKLE_NAME_MAX + 1]; /* its record in the archive is data/STORAGE */
    uint64_t storage_count;            /* numbers in the whole storage */
    uint64_t offset, count;            /* offset + count ≤ storage_count */
    uint32_t rank;
    uint64_t shape[PICKLE_RANK_MAX]; /* its product is count */
};

/* The state dict's tensors in its order, from malloc. STATUS_INTERNAL with what the file asked for.
 */
enum status pickle_read(const uint8_t *bytes, size_t size, struct pickle_tensor **tensors,
                        size_t *count, struct error *err);

#ifdef __cplusplus
}
#endif
#endif
