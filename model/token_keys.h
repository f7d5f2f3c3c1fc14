/* The keys that seal tokens (token.h): drawn for this process, or read from a file that several
 * processes share.
 *
 * The file has one key of 32 bytes a line, in base64 or hexadecimal; the first seals, all open. A
 * key is replaced in three steps: put the new one below, so that every process opens what it seals;
 * once all have read that, put it first; and remove the old one when the last token that it sealed
 * has expired. Empty lines and lines that begin with # are skipped.
 *
 * Keys live in guarded memory of libsodium's that cannot be written any more, is not swapped where
 * the system allows that, and is overwritten at the end. Immutable once made: any thread may use
 * them.
 */
#ifndef FACEPAIR_MODEL_TOKEN_KEYS_H
#define FACEPAIR_MODEL_TOKEN_KEYS_H

#include "server/status.h"

#include <stddef.h>
#include <stdint.h>

enum { TOKEN_KEY_BYTES = 32, TOKEN_KEY_ID_BYTES = 4, TOKEN_KEYS_MAX = 16 };

struct token_key {
    uint8_t bytes[TOKEN_KEY_BYTES];
    uint8_t id[TOKEN_KEY_ID_BYTES]; /* of the bytes: the same in every process */
};

struct token_keys;

/* One key that nobody else has. */
enum status token_keys_draw(struct token_keys **keys, struct error *err);
/* STATUS_INTERNAL; err names the file and the line. A file that others than its owner and group may
 * read is refused, and so is one that others than its owner may write. */
enum status token_keys_read(const char *path, struct token_keys **keys, struct error *err);
void token_keys_destroy(struct token_keys *keys); /* NULL is allowed */

size_t token_keys_count(const struct token_keys *keys);
const struct token_key *token_keys_at(const struct token_keys *keys, size_t index); /* 0 seals */

#endif
