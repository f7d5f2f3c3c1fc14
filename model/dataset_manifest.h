/* What a data set consists of: the file `files.sha256` in its folder, a line "SHA256  NAME" for
 * each other file in the order of the names' bytes (so that `sha256sum -c files.sha256` checks it).
 * The SHA-256 of these lines is the data set's own: it depends neither on the order of an archive
 * nor on its compression.
 */
#ifndef FACEPAIR_MODEL_DATASET_MANIFEST_H
#define FACEPAIR_MODEL_DATASET_MANIFEST_H

#include "model/dataset_path.h"
#include "model/digest.h"

#define DATASET_MANIFEST "files.sha256"
enum { DATASET_FILES_MAX = 1000000 };

struct dataset_manifest {
    size_t count, capacity;
    struct dataset_line {
        char sha256[DIGEST_TEXT_SIZE];
        char *name; /* "pairs.txt", "AJ_Cook/AJ_Cook_0001.jpg"; owned */
    } * lines;
};

/* A zeroed manifest is empty. name is copied. STATUS_BODY_TOO_LARGE beyond DATASET_FILES_MAX;
 * STATUS_INTERNAL: out of memory. */
enum status dataset_manifest_add(struct dataset_manifest *manifest, const char *name,
                                 const char *sha256, struct error *err);
/* Sorts the lines and writes them into the folder, on disk when it returns; sha256: the data set's.
 * STATUS_STORAGE_FULL, STATUS_INTERNAL. */
enum status dataset_manifest_write(struct dataset_manifest *manifest, const char *folder,
                                   char sha256[DIGEST_TEXT_SIZE], struct error *err);
/* Of the folder; the caller releases it. STATUS_INTERNAL with the cause. */
enum status dataset_manifest_read(const char *folder, struct dataset_manifest *manifest,
                                  struct error *err);
/* Leaves out the line of this name, or of all names that begin with "NAME/". */
void dataset_manifest_remove(struct dataset_manifest *manifest, const char *name);
void dataset_manifest_release(struct dataset_manifest *manifest);

#endif
