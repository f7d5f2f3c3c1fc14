#include "server/journal_line.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

struct check {
    uint64_t seq, lines;
    char prev[JOURNAL_HASH_TEXT + 1];
};

/* What is wrong with the line, or NULL. The chain may begin anywhere: older files may be gone. */
static const char *check_line(struct check *check, const char *line, size_t size) {
    uint64_t seq;
    if (!journal_line_seq(line, size, &seq))
        return "is no line of a journal";
    if (check->lines > 0 && seq != check->seq + 1)
        return "does not follow the line before it";
    if ((check->lines > 0 || seq == 1) && !journal_line_prev_is(line, size, check->prev))
        return "says another hash of the line before it";
    check->seq = seq;
    check->lines++;
    journal_line_hash(line, size, check->prev);
    return NULL;
}

static enum status check_file(struct check *check, const char *path, struct error *err) {
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", path, strerror(errno));
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    const char *fault = NULL;
    unsigned number = 0;
    while (!fault && (size = getline(&line, &room, file)) > 0) {
        number++;
        fault = line[size - 1] == '\n' ? check_line(check, line, (size_t)size - 1)
                                       : "does not end with a line feed";
    }
    free(line);
    fclose(file);
    return fault ? error_set(err, STATUS_INVALID_FIELD, "%.150s, line %u: %s", path, number, fault)
                 : STATUS_OK;
}

enum status journal_check(const char *const *paths, size_t count, uint64_t *lines,
                          struct error *err) {
    struct check check = {0};
    memset(check.prev, '0', JOURNAL_HASH_TEXT);
    if (sodium_init() < 0)
        return error_set(err, STATUS_INTERNAL, "libsodium cannot be used");
    for (size_t i = 0; i < count; i++) {
        enum status status = check_file(&check, paths[i], err);
        if (status != STATUS_OK)
            return status;
    }
    *lines = check.lines;
    return STATUS_OK;
}
