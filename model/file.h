/* Whole small files, bounded. */
#ifndef FACEPAIR_MODEL_FILE_H
#define FACEPAIR_MODEL_FILE_H

#include "server/status.h"

#include <stddef.h>

/* Reads a regular file of at most bytes_max bytes: *bytes from malloc (the caller's), *size of them
 * and a terminating NUL that is not counted. STATUS_INTERNAL; err names the file. */
enum status file_read(const char *path, size_t bytes_max, char **bytes, size_t *size,
                      struct error *err);

/* Writes the file anew (temporary file, fsync, rename): a reader sees the old or the whole new one.
 * STATUS_INTERNAL; err names the file. */
enum status file_write(const char *path, const char *bytes, size_t size, struct error *err);

#endif
