/* Where data sets stand: DATA/datasets/NAME. What is not finished there has a name that no data set
 * has (leftovers.h). Waits for disks. */
#ifndef FACEPAIR_MODEL_DATASET_FOLDER_H
#define FACEPAIR_MODEL_DATASET_FOLDER_H

#include "server/status.h"

#include <limits.h>

/* DATA/datasets/NAME; name: as card_name_valid() allows. STATUS_INTERNAL: too long. */
enum status dataset_folder_path(const char *data, const char *name, char path[PATH_MAX],
                                struct error *err);

struct dataset_folder {
    char path[PATH_MAX]; /* DATA/datasets/.new-XXXXXX */
    int hold;
};

/* A new empty folder, and DATA/datasets where it is missing. STATUS_STORAGE_FULL, STATUS_INTERNAL.
 */
enum status dataset_folder_begin(const char *data, struct dataset_folder *folder,
                                 struct error *err);
/* Gives it the data set's name, on disk when it returns. What stands there is nobody's (the store
 * knows no such data set) and is left to the next sweep. After a failure it is still to be
 * abandoned. */
enum status dataset_folder_publish(const char *data, struct dataset_folder *folder,
                                   const char *name, struct error *err);
/* Removes it with all that is in it. */
void dataset_folder_abandon(struct dataset_folder *folder);
/* Does not wait: the next sweep removes it. */
void dataset_folder_leave(struct dataset_folder *folder);

/* A data set leaves its name, on disk when it returns; gone: the folder to be removed then, ""
 * where there was none. STATUS_STORAGE_FULL, STATUS_INTERNAL. */
enum status dataset_folder_set_aside(const char *data, const char *name, char gone[PATH_MAX],
                                     struct error *err);
/* What dead writers have left. */
void dataset_folder_sweep(const char *data);

#endif
