#include "server/journal_line.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void journal_line_hash(const char *line, size_t size, char text[JOURNAL_HASH_TEXT + 1]) {
    unsigned char hash[JOURNAL_HASH_BYTES];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)line, size, NULL, 0);
    sodium_bin2hex(text, JOURNAL_HASH_TEXT + 1, hash, sizeof hash);
}

bool journal_line_seq(const char *line, size_t size, uint64_t *seq) {
    static const char begin[] = "{\"seq\":";
    if (size <= sizeof begin || memcmp(line, begin, sizeof begin - 1) != 0)
        return false;
    char *end;
    *seq = strtoull(line + sizeof begin - 1, &end, 10);
    return *end == ',';
}

bool journal_line_prev_is(const char *line, size_t size, const char *prev) {
    char wanted[JOURNAL_FRAME_MAX];
    const char *comma = memchr(line, ',', size);
    int length = snprintf(wanted, sizeof wanted, ",\"prev\":\"%s\"", prev);
    return comma && size - (size_t)(comma - line) > (size_t)length &&
           memcmp(comma, wanted, (size_t)length) == 0;
}
