/* An append-only file of JSON lines, each chained to the one before it, so that a line that was
 * changed, taken out or put in later shows.
 *
 *     {"seq":41,"prev":"64 hexadecimal digits",…what the caller gave…}
 *
 * prev is the BLAKE2b-256 of the whole line before, without its line feed; of the first one it is
 * 64 zeros. Whoever can write the file can also write a whole new chain: to notice that, and
 * lines taken from the end, keep the last line's hash elsewhere from time to time.
 *
 * Lines are handed to a thread of the journal's own, which writes all that wait and then calls
 * fdatasync, at most every JOURNAL_FLUSH_MS: what was appended is on disk that much later, plus the
 * disk's own time, and a crash of the machine loses no more than that. A process that is killed
 * leaves at most half a line; the next one cuts it off and says so in a line of its own. Past
 * bytes_max the file is renamed to PATH.SEQ, by its last line's number, and the chain goes on in a
 * new one; old files are kept.
 *
 * A disk that is full or gone: the lines wait, at most JOURNAL_LINES_MAX, and are tried again every
 * second; journal_ready says no meanwhile, so that nothing more is done that would not be recorded.
 * After an fdatasync that failed the kernel may have given up what was written since the last one,
 * and would call the next one a success: all of that is cut off and written again. Nothing is
 * written behind what could not be cut off yet.
 *
 * One process writes a file at a time: it holds a lock on it (flock).
 *
 * "-" as the path is stdout, without fdatasync and rotation, and with a chain that begins anew with
 * each process. Any thread may append. */
#ifndef FACEPAIR_SERVER_JOURNAL_H
#define FACEPAIR_SERVER_JOURNAL_H

#include "server/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JOURNAL_LINES_MAX = 16384, JOURNAL_LINE_MAX = 4096, JOURNAL_FLUSH_MS = 100 };
enum { JOURNAL_HASH_BYTES = 32, JOURNAL_HASH_TEXT = 2 * JOURNAL_HASH_BYTES };

struct journal;

/* Continues the file that is there. STATUS_INTERNAL names it. */
enum status journal_open(const char *path, uint64_t bytes_max, struct journal **journal,
                         struct error *err);
/* Writes what waits, if the disk takes it. NULL is allowed. */
void journal_close(struct journal *journal);

/* members: an object's, as text with its braces: {"time":"…"}; at most JOURNAL_LINE_MAX bytes.
 * False: the line was not taken. */
bool journal_append(struct journal *journal, const char *members, size_t size);
/* False while lines cannot be written, or more than half of JOURNAL_LINES_MAX wait. */
bool journal_ready(struct journal *journal);

struct journal_chain {
    uint64_t lines, first, last;      /* how many; the numbers of the first and the last, 0: none */
    char hash[JOURNAL_HASH_TEXT + 1]; /* of the last line; 64 zeros: there is none */
};

/* Whether these files, in this order, are one unbroken chain; STATUS_OK: *chain is what it is.
 * STATUS_INVALID_FIELD names the file and line where it breaks. It cannot see that lines are
 * missing before the first or behind the last, nor that the last was changed. */
enum status journal_check(const char *const *paths, size_t count, struct journal_chain *chain,
                          struct error *err);

#endif
