#include "server/journal_line.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/* What is wrong with the line, or NULL. The chain may begin anywhere: older files may be gone. */
static const char *check_line(struct journal_chain *chain, const char *line, size_t size) {
    uint64_t seq;
    if (!journal_line_seq(line, size, &seq))
        return "is no line of a journal";
    if (chain->lines > 0 && seq != chain->last + 1)
        return "does not follow the line before it";
    if ((chain->lines > 0 || seq == 1) && !journal_line_prev_is(line, size, chain->hash))
        return "says another hash of the line before it";
    if (chain->lines++ == 0)
        chain->first = seq;
    chain->last = seq;
    journal_line_hash(line, size, chain->hash);
    return NULL;
}

static enum status check_file(struct journal_chain *chain, const char *path, struct error *err) {
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
        fault = line[size - 1] == '\n' ? check_line(chain, line, (size_t)size - 1)
                                       : "does not end with a line feed";
    }
    free(line);
    fclose(file);
    return fault ? error_set(err, STATUS_INVALID_FIELD, "%.150s, line %u: %s", path, number, fault)
                 : STATUS_OK;
}

enum status journal_check(const char *const *paths, size_t count, struct journal_chain *chain,
                          struct error *err) {
    *chain = (struct journal_chain){0};
    memset(chain->hash, '0', JOURNAL_HASH_TEXT);
    if (sodium_init() < 0)
        return error_set(err, STATUS_INTERNAL, "libsodium cannot be used");
    for (size_t i = 0; i < count; i++) {
        enum status status = check_file(chain, paths[i], err);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}
