/* A line of a journal (server/journal.h), for journal.c, which writes it, and journal_check.c. */
#ifndef FACEPAIR_SERVER_JOURNAL_LINE_H
#define FACEPAIR_SERVER_JOURNAL_LINE_H

#include "server/journal.h"

enum { JOURNAL_FRAME_MAX = 128, JOURNAL_WHOLE_LINE_MAX = JOURNAL_LINE_MAX + JOURNAL_FRAME_MAX };

void journal_line_hash(const char *line, size_t size, char text[JOURNAL_HASH_TEXT + 1]);
/* The line's number, from its beginning; false: it is no line of a journal. */
bool journal_line_seq(const char *line, size_t size, uint64_t *seq);
bool journal_line_prev_is(const char *line, size_t size, const char *prev);

#endif
