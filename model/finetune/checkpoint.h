/* A training on disk, in the work directory:
 *
 *     checkpoint-EEEEEEEE-BBBBBBBB/    whole epochs and batches of the one under way behind it
 *         course.json                  model/finetune/course.h
 *         state.safetensors            network_train_save_state
 *         best.safetensors             the same after the best epoch (a second name of one file)
 *
 * One is written under another name, flushed and renamed, then the one before it is removed: there
 * is always a whole one, and the largest name is the latest.
 */
#ifndef FACEPAIR_MODEL_FINETUNE_CHECKPOINT_H
#define FACEPAIR_MODEL_FINETUNE_CHECKPOINT_H

#include "model/finetune/course.h"
#include "model/network/train.h"

#include <limits.h>

/* The latest's path; empty: there is none. Removes what a writer that died has left. */
enum status checkpoint_find(const char *work, char path[PATH_MAX], struct error *err);

/* path: the checkpoint before, whose best is kept unless `best` says that the state as it is now is
 * the best (empty: there is none; it may be another job's); then the one written, which is the
 * directory's only one from now on. STATUS_STORAGE_FULL when the disk is, or when the work
 * directory would hold more than bytes_max. */
enum status checkpoint_write(const char *work, const struct course *course, const char *key,
                             const struct network_train *train, bool best, uint64_t bytes_max,
                             char path[PATH_MAX], uint64_t *bytes, struct error *err);

/* Into a course that was begun and a training that was. STATUS_INTERNAL; err names the file. */
enum status checkpoint_read(const char *path, const char *key, struct course *course,
                            struct network_train *train, struct error *err);
/* The weights of the best epoch, into the training. */
enum status checkpoint_load_best(const char *path, struct network_train *train, struct error *err);

#endif
