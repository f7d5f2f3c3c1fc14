/* Any text as a token; and, genuinely sealed, any bytes as what a token holds, which is what a
 * program of another version with the same key could send. What opens must be whole. */
#include "model/token.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { PLAIN_MAX = 20000 };

static void open_text(const struct token_keys *keys, const char *text, size_t size) {
    struct token token;
    struct error err = {""};
    enum status status = token_open(keys, text, size, 1, &token, &err);
    if (status != STATUS_OK) {
        if (token.values || !err.detail[0])
            abort();
        return;
    }
    if (token.length == 0 || token.length > CARD_EMBEDDING_LENGTH_MAX || token.expires_ms <= 1 ||
        !card_name_valid(token.name) || !card_version_valid(token.version))
        abort();
    char *again = token_seal(keys, &token);
    free(again);
    token_release(&token);
}

static void open_plain(const struct token_keys *keys, const uint8_t *plain, size_t size) {
    static uint8_t sealed[TOKEN_HEADER_BYTES + PLAIN_MAX + TOKEN_TAG_BYTES];
    static char text[sizeof(sealed) / 3 * 4 + 5];
    const struct token_key *key = token_keys_at(keys, 0);
    unsigned long long written;
    sealed[0] = TOKEN_FORMAT;
    memcpy(sealed + 1, key->id, TOKEN_KEY_ID_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + TOKEN_HEADER_BYTES, &written, plain, size,
                                               sealed, TOKEN_HEADER_BYTES, NULL,
                                               sealed + 1 + TOKEN_KEY_ID_BYTES, key->bytes);
    sodium_bin2base64(text, sizeof(text), sealed, TOKEN_HEADER_BYTES + (size_t)written,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    open_text(keys, text, strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct token_keys *keys;
    struct error err;
    if (!keys && token_keys_draw(&keys, &err) != STATUS_OK)
        abort();
    if (size == 0 || size > PLAIN_MAX)
        return 0;
    if (bytes[0] & 1)
        open_plain(keys, bytes + 1, size - 1);
    else
        open_text(keys, (const char *)bytes + 1, size - 1);
    return 0;
}
