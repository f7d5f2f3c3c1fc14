/* Errors about files name the file by its whole path, which the operator needs and no client may
 * see. */
#ifndef FACEPAIR_MODEL_CAUSE_H
#define FACEPAIR_MODEL_CAUSE_H

#include "server/status.h"

/* detail: "DIRECTORY/FILE: cause", its path perhaps cut -> "FILE: cause", or the cause alone. What
 * still holds a path after that becomes a general sentence. */
void cause_without_path(const char *detail, const char *directory, struct error *err);

/* STATUS_STORAGE_FULL for a STATUS_INTERNAL whose text says that the disk, or the share of it
 * granted, is full: what writes a file through a library has no other word for it. */
enum status cause_full_disk(enum status status, const struct error *err);

#endif
