/* Sealed embeddings. A token is an embedding that its holder can neither read nor make: whoever
 * could hand in any vector would find one that is close to many people, and whoever could read one
 * has a face's likeness in hand.
 *
 * Text: base64url without padding (RFC 4648, section 5) of
 *
 *     1   format, TOKEN_FORMAT
 *     4   which key (token_keys.h)
 *     24  nonce, random
 *     …   XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha, libsodium's) of what follows, with its
 *         16 bytes of tag; the 29 bytes above are the associated data
 *             8   expiry, milliseconds since the Unix epoch
 *             1 + n   the model's name, its length before it
 *             1 + n   the version likewise
 *             4   the embedding's length
 *             4 × length   its components, IEEE 754 binary32
 *
 * Numbers are little-endian. Nonces of 192 bits may be drawn at random for as long as a key lives.
 */
#ifndef FACEPAIR_MODEL_TOKEN_H
#define FACEPAIR_MODEL_TOKEN_H

#include "model/card.h"
#include "model/token_keys.h"

enum { TOKEN_FORMAT = 1, TOKEN_NONCE_BYTES = 24, TOKEN_TAG_BYTES = 16 };
enum { TOKEN_HEADER_BYTES = 1 + TOKEN_KEY_ID_BYTES + TOKEN_NONCE_BYTES };

struct token {
    char name[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1];
    uint64_t expires_ms; /* since the Unix epoch */
    uint32_t length;
    float *values; /* (length) */
};

/* Seals with the first key. token->values is borrowed. NULL: out of memory; otherwise the caller's
 * to free. */
char *token_seal(const struct token_keys *keys, const struct token *token);

/* STATUS_INVALID_FIELD with the one of two sentences that applies: it was not sealed by this
 * service (whatever is wrong with it), or it has expired. STATUS_INTERNAL: out of memory. On
 * STATUS_OK token_release is owed. */
enum status token_open(const struct token_keys *keys, const char *text, size_t size,
                       uint64_t now_ms, struct token *token, struct error *err);
void token_release(struct token *token); /* overwrites and frees the values */

#endif
