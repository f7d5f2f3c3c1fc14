/* Text from outside, line by line: pairs and people files, splits, groups. Cut in place. */
#ifndef FACEPAIR_MODEL_LINES_H
#define FACEPAIR_MODEL_LINES_H

#include "server/status.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    LINES_FIELDS_MAX = 4,
    LINES_BYTES_MAX = 64 * 1024 * 1024,
    LINES_PATH_TOLD = 120 /* bytes of a list's path, at least, in an error of its reader */
};

struct lines {
    const char *path;
    char *text, *next;
    unsigned number; /* of the line last taken, from 1 */
    struct error *err;
};

/* Reads a whole text file. STATUS_INTERNAL when it cannot be read, STATUS_INVALID_FIELD when it is
 * no text. On STATUS_OK the caller closes it. */
enum status lines_open(const char *path, struct lines *lines, struct error *err);
void lines_close(struct lines *lines);

/* The next line that is neither blank nor a comment (# at its beginning), cut into fields at tabs
 * and spaces; how many, at most LINES_FIELDS_MAX + 1. 0 at the end of the text. */
int lines_take(struct lines *lines, char *fields[LINES_FIELDS_MAX]);
/* "PATH, line N: WHAT"; returns STATUS_INVALID_FIELD. */
enum status lines_fault(const struct lines *lines, const char *what);

/* A decimal number of 0 … max in at most ten digits, without a sign. Zeros may lead: "0007". */
bool lines_number(const char *text, uint32_t max, uint32_t *number);

#endif
