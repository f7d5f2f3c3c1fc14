/* Whole small files, bounded. */
#ifndef FACEPAIR_MODEL_FILE_H
#define FACEPAIR_MODEL_FILE_H

#include "server/status.h"

#include <limits.h>
#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Formats a path; STATUS_INTERNAL when it is too long. */
enum status file_path(char path[PATH_MAX], struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum status file_path_list(char path[PATH_MAX], struct error *err, const char *format,
                           va_list arguments);

/* Reads a regular file of at most bytes_max bytes: *bytes from malloc (the caller's), *size of them
 * and a terminating NUL that is not counted. STATUS_INTERNAL; err names the file. */
enum status file_read(const char *path, size_t bytes_max, char **bytes, size_t *size,
                      struct error *err);
/* The same into the caller's bytes_max + 1 bytes: for want of memory nothing is taken for absent.
 */
enum status file_read_into(const char *path, size_t bytes_max, char *bytes, size_t *size,
                           struct error *err);

/* Writes the file anew (temporary file PATH.XXXXXX, fsync, rename, fsync of the directory): a
 * reader sees the old or the whole new one, also after the power fails. One that is there keeps its
 * mode, and its owner where this process may give files away; a new one may be read by everybody.
 * STATUS_STORAGE_FULL, STATUS_INTERNAL; err names the file. */
enum status file_write(const char *path, const char *bytes, size_t size, struct error *err);

/* What was renamed into or out of a directory is on disk only once the directory itself is.
 * STATUS_INTERNAL; err names it. */
enum status file_flush_directory(const char *path, struct error *err);

/* STATUS_STORAGE_FULL where errno's cause is that the disk, or the share of it granted, is full;
 * else STATUS_INTERNAL. */
enum status file_cause(int cause);

/* The same bytes under a second name, which must not exist; a copy, on disk, where the file system
 * knows no such thing. STATUS_INTERNAL; err names the file. */
enum status file_share(const char *from, const char *to, struct error *err);

#ifdef __cplusplus
}
#endif
#endif
