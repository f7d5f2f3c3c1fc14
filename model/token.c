/* A text that is refused is refused with one sentence whatever is wrong with it (alphabet, length,
 * key, tag), and nothing within is looked at before the tag has been checked: so a token tells an
 * attacker only what the attacker knew. That a token has expired is told only of genuine ones. */
#include "model/token.h"

#include "server/wipe.h"

#include <assert.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIXED_BYTES = 8 + 1 + 1 + 4, /* of the plain text, besides names and components */
    PLAIN_BYTES_MAX = FIXED_BYTES + CARD_NAME_MAX + CARD_VERSION_MAX +
                      CARD_EMBEDDING_LENGTH_MAX * (int)sizeof(float),
    SEALED_BYTES_MAX = TOKEN_HEADER_BYTES + PLAIN_BYTES_MAX + TOKEN_TAG_BYTES,
    VARIANT = sodium_base64_VARIANT_URLSAFE_NO_PADDING,
};

static_assert(TOKEN_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "the cipher's");
static_assert(TOKEN_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "the cipher's");
static_assert(TOKEN_TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES, "the cipher's");

/* ---- little-endian, whatever the processor ---- */

static uint8_t *put(uint8_t *at, uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++)
        *at++ = (uint8_t)(value >> (8 * i));
    return at;
}

static uint8_t *put_text(uint8_t *at, const char *text) {
    at = put(at, strlen(text), 1);
    while (*text)
        *at++ = (uint8_t)*text++;
    return at;
}

/* What is left to read; `whole` turns false when more was asked for than there is. */
struct reader {
    const uint8_t *at, *end;
    bool whole;
};

static const uint8_t *take(struct reader *reader, size_t bytes) {
    const uint8_t *at = reader->at;
    reader->whole = reader->whole && bytes <= (size_t)(reader->end - at);
    if (reader->whole)
        reader->at += bytes;
    return reader->whole ? at : NULL;
}

static uint64_t get(struct reader *reader, unsigned bytes) {
    const uint8_t *at = take(reader, bytes);
    uint64_t value = 0;
    for (unsigned i = 0; at && i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static void get_text(struct reader *reader, char *text, size_t size) {
    size_t length = (size_t)get(reader, 1);
    const uint8_t *at = length < size ? take(reader, length) : NULL;
    reader->whole = at != NULL;
    if (at)
        memcpy(text, at, length);
    text[at ? length : 0] = '\0';
}

/* ---- sealing ---- */

static size_t write_plain(const struct token *token, uint8_t *plain) {
    uint8_t *at = put(plain, token->expires_ms, 8);
    at = put_text(at, token->name);
    at = put_text(at, token->version);
    at = put(at, token->length, 4);
    for (uint32_t i = 0; i < token->length; i++) {
        uint32_t bits;
        memcpy(&bits, &token->values[i], sizeof bits);
        at = put(at, bits, 4);
    }
    return (size_t)(at - plain);
}

static size_t seal(const struct token_key *key, const uint8_t *plain, size_t size,
                   uint8_t *sealed) {
    uint8_t *nonce = sealed + 1 + TOKEN_KEY_ID_BYTES;
    sealed[0] = TOKEN_FORMAT;
    memcpy(sealed + 1, key->id, TOKEN_KEY_ID_BYTES);
    randombytes_buf(nonce, TOKEN_NONCE_BYTES);
    unsigned long long written;
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + TOKEN_HEADER_BYTES, &written, plain, size,
                                               sealed, TOKEN_HEADER_BYTES, NULL, nonce, key->bytes);
    return TOKEN_HEADER_BYTES + (size_t)written;
}

char *token_seal(const struct token_keys *keys, const struct token *token) {
    assert(token->length >= 1 && token->length <= CARD_EMBEDDING_LENGTH_MAX);
    uint8_t *plain = malloc(PLAIN_BYTES_MAX), *sealed = malloc(SEALED_BYTES_MAX);
    char *text = NULL;
    if (plain && sealed) {
        size_t size = seal(token_keys_at(keys, 0), plain, write_plain(token, plain), sealed);
        size_t text_size = sodium_base64_encoded_len(size, VARIANT);
        text = malloc(text_size);
        if (text)
            sodium_bin2base64(text, text_size, sealed, size, VARIANT);
    }
    wipe_and_free(plain);
    free(sealed);
    return text;
}

/* ---- opening ---- */

static bool read_plain(const uint8_t *plain, size_t size, struct token *token, bool *no_memory) {
    struct reader reader = {.at = plain, .end = plain + size, .whole = true};
    token->expires_ms = get(&reader, 8);
    get_text(&reader, token->name, sizeof token->name);
    get_text(&reader, token->version, sizeof token->version);
    token->length = (uint32_t)get(&reader, 4);
    if (!reader.whole || token->length == 0 || token->length > CARD_EMBEDDING_LENGTH_MAX ||
        (size_t)(reader.end - reader.at) != token->length * sizeof(float) ||
        !card_name_valid(token->name) || !card_version_valid(token->version))
        return false;
    token->values = malloc(token->length * sizeof(float));
    *no_memory = !token->values;
    for (uint32_t i = 0; token->values && i < token->length; i++) {
        uint32_t bits = (uint32_t)get(&reader, 4);
        memcpy(&token->values[i], &bits, sizeof bits);
    }
    return token->values != NULL;
}

/* Several keys may share an id, as unlikely as that is. The size of the plain text, or 0. */
static size_t unseal(const struct token_keys *keys, const uint8_t *sealed, size_t size,
                     uint8_t *plain) {
    if (size < TOKEN_HEADER_BYTES + TOKEN_TAG_BYTES || sealed[0] != TOKEN_FORMAT)
        return 0;
    for (size_t i = 0; i < token_keys_count(keys); i++) {
        const struct token_key *key = token_keys_at(keys, i);
        unsigned long long written;
        if (memcmp(sealed + 1, key->id, TOKEN_KEY_ID_BYTES) == 0 &&
            crypto_aead_xchacha20poly1305_ietf_decrypt(
                plain, &written, NULL, sealed + TOKEN_HEADER_BYTES, size - TOKEN_HEADER_BYTES,
                sealed, TOKEN_HEADER_BYTES, sealed + 1 + TOKEN_KEY_ID_BYTES, key->bytes) == 0)
            return (size_t)written;
    }
    return 0;
}

static bool open_text(const struct token_keys *keys, const char *text, size_t size,
                      struct token *token, bool *no_memory) {
    uint8_t *sealed = malloc(SEALED_BYTES_MAX), *plain = malloc(PLAIN_BYTES_MAX);
    size_t sealed_size;
    const char *end;
    *no_memory = !sealed || !plain;
    bool opened = !*no_memory &&
                  sodium_base642bin(sealed, SEALED_BYTES_MAX, text, size, NULL, &sealed_size, &end,
                                    VARIANT) == 0 &&
                  end == text + size;
    if (opened) {
        size_t plain_size = unseal(keys, sealed, sealed_size, plain);
        opened = read_plain(plain, plain_size, token, no_memory);
    }
    free(sealed);
    wipe_and_free(plain);
    return opened;
}

enum status token_open(const struct token_keys *keys, const char *text, size_t size,
                       uint64_t now_ms, struct token *token, struct error *err) {
    bool no_memory;
    *token = (struct token){.values = NULL};
    if (!open_text(keys, text, size, token, &no_memory))
        return no_memory ? error_set(err, STATUS_INTERNAL, "out of memory for a token")
                         : error_set(err, STATUS_INVALID_FIELD,
                                     "This is no token of this service: it was altered, cut short, "
                                     "or sealed with a key that is not in use.");
    if (now_ms < token->expires_ms)
        return STATUS_OK;
    token_release(token);
    return error_set(err, STATUS_INVALID_FIELD,
                     "The token has expired: embed the photograph anew.");
}

void token_release(struct token *token) {
    wipe_and_free(token->values);
    *token = (struct token){.values = NULL};
}
