/* Named float32 tensors in one file, in the safetensors format.
 *
 * A file is an unsigned 64-bit little-endian length, a JSON object of that length that names each
 * tensor ({"NAME":{"dtype":"F32","shape":[…],"data_offsets":[begin,end]},…}, offsets from the
 * object's end) and the tensors' bytes, without holes.
 *
 * The reader treats every byte as hostile: all lengths and offsets are checked against the file's
 * size before anything is allocated for them, and a file that any byte of is not accounted for is
 * refused. It reads rather than maps: a mapped file that shrinks kills the process. Values are not
 * looked at. Only F32 is read, because only F32 is computed with.
 */
#ifndef FACEPAIR_MODEL_SAFETENSORS_H
#define FACEPAIR_MODEL_SAFETENSORS_H

#include "server/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SAFETENSORS_RANK_MAX = 8,
    SAFETENSORS_NAME_MAX = 255,       /* bytes */
    SAFETENSORS_TENSORS_MAX = 65536,  /* in one file */
    SAFETENSORS_HEADER_MAX = 16 << 20 /* bytes */
};

struct safetensors_tensor {
    const char *name;
    uint32_t rank; /* 0: a scalar */
    uint64_t shape[SAFETENSORS_RANK_MAX];
    const float *data; /* row-major, the product of shape values */
};

struct safetensors;

/* STATUS_INTERNAL with the file's name and what is wrong with it. */
enum status safetensors_open(const char *path, struct safetensors **file, struct error *err);
void safetensors_close(struct safetensors *file); /* NULL is allowed */

size_t safetensors_count(const struct safetensors *file);
/* All of them, by name; borrowed until close. */
const struct safetensors_tensor *safetensors_all(const struct safetensors *file);
/* By name; borrowed until close. NULL: no such tensor. */
const struct safetensors_tensor *safetensors_find(const struct safetensors *file, const char *name);

/* Creates path (which must not exist) with the tensors in the order given and flushes it to disk.
 * Names are letters, digits, '.', '_', '-' and '/'. On failure nothing is left at path. */
enum status safetensors_write(const char *path, const struct safetensors_tensor *tensors,
                              size_t count, struct error *err);

#ifdef __cplusplus
}
#endif
#endif
