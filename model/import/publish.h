/* A new version directory appears whole or not at all: it is filled under a temporary name beside
 * its place, flushed to disk and renamed. Who does so holds DATA/models meanwhile (leftovers.h). */
#ifndef FACEPAIR_MODEL_IMPORT_PUBLISH_H
#define FACEPAIR_MODEL_IMPORT_PUBLISH_H

#include "server/status.h"

#include <limits.h>
#include <stdbool.h>

enum { PUBLISH_PATH_MAX = PATH_MAX };

/* Formats a path; STATUS_INTERNAL when it is too long. */
enum status publish_path(char path[PUBLISH_PATH_MAX], struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* mkdir -p */
enum status publish_make_directory(const char *path, struct error *err);
bool publish_exists(const char *path);

/* A new empty directory PARENT/.new-XXXXXX, readable by all. */
enum status publish_begin(const char *parent, char directory[PUBLISH_PATH_MAX], struct error *err);
/* Flushes it and gives it its name; target must not exist. */
enum status publish_finish(const char *directory, const char *target, struct error *err);
/* Removes it with all that is in it. */
void publish_abandon(const char *directory);

#endif
