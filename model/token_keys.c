#include "model/token_keys.h"

#include "model/file.h"
#include "server/secret_file.h"
#include "server/wipe.h"

#include <assert.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

enum { FILE_BYTES_MAX = 16 * 1024, HEX_LENGTH = 2 * TOKEN_KEY_BYTES };

struct token_keys {
    size_t count;
    struct token_key keys[TOKEN_KEYS_MAX];
};

/* NULL: libsodium cannot be used, or there is no memory. */
static struct token_keys *create(void) {
    struct token_keys *keys = sodium_init() < 0 ? NULL : sodium_malloc(sizeof *keys);
    if (keys)
        sodium_memzero(keys, sizeof *keys);
    return keys;
}

static enum status not_created(struct error *err) {
    return error_set(err, STATUS_INTERNAL, "no memory of libsodium's for keys");
}

/* The id tells which key opens a token and nothing of the key: it is a keyed hash of a constant. */
static void identify(struct token_key *key) {
    static const unsigned char purpose[] = "facepair token key";
    unsigned char hash[crypto_generichash_BYTES];
    crypto_generichash(hash, sizeof hash, purpose, sizeof purpose - 1, key->bytes,
                       sizeof key->bytes);
    memcpy(key->id, hash, sizeof key->id);
}

static void settle(struct token_keys *keys) { sodium_mprotect_readonly(keys); }

enum status token_keys_draw(struct token_keys **keys, struct error *err) {
    struct token_keys *created = create();
    if (!created)
        return not_created(err);
    struct token_key *key = &created->keys[0];
    randombytes_buf(key->bytes, sizeof key->bytes);
    identify(key);
    created->count = 1;
    settle(created);
    *keys = created;
    return STATUS_OK;
}

/* ---- the file ---- */

static bool decode(const char *text, size_t size, uint8_t bytes[TOKEN_KEY_BYTES]) {
    static const int variants[] = {
        sodium_base64_VARIANT_ORIGINAL, sodium_base64_VARIANT_ORIGINAL_NO_PADDING,
        sodium_base64_VARIANT_URLSAFE, sodium_base64_VARIANT_URLSAFE_NO_PADDING};
    size_t have;
    const char *end;
    if (size == HEX_LENGTH)
        return sodium_hex2bin(bytes, TOKEN_KEY_BYTES, text, size, NULL, &have, &end) == 0 &&
               have == TOKEN_KEY_BYTES && end == text + size;
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++)
        if (sodium_base642bin(bytes, TOKEN_KEY_BYTES, text, size, NULL, &have, &end, variants[i]) ==
                0 &&
            have == TOKEN_KEY_BYTES && end == text + size)
            return true;
    return false;
}

static bool has_key(const struct token_keys *keys, const struct token_key *key) {
    for (size_t i = 0; i < keys->count; i++)
        if (sodium_memcmp(keys->keys[i].bytes, key->bytes, sizeof key->bytes) == 0)
            return true;
    return false;
}

/* What is wrong with the line, or NULL. */
static const char *take_line(const char *line, size_t size, struct token_keys *keys) {
    if (size == 0 || line[0] == '#')
        return NULL;
    if (keys->count == TOKEN_KEYS_MAX)
        return "more keys than there may be";
    struct token_key *key = &keys->keys[keys->count];
    if (!decode(line, size, key->bytes))
        return "not 32 bytes in base64 or hexadecimal";
    if (has_key(keys, key))
        return "a key that stands above already";
    identify(key);
    keys->count++;
    return NULL;
}

static size_t trimmed(const char *line, size_t size) {
    while (size > 0 && strchr(" \t\r", line[size - 1]))
        size--;
    return size;
}

static enum status parse(const char *path, const char *text, size_t size, struct token_keys *keys,
                         struct error *err) {
    const char *line = text, *end = text + size;
    for (unsigned number = 1; line < end; number++) {
        const char *feed = memchr(line, '\n', (size_t)(end - line));
        const char *next = feed ? feed : end;
        const char *fault = take_line(line, trimmed(line, (size_t)(next - line)), keys);
        if (fault)
            return error_set(err, STATUS_INTERNAL, "%.160s, line %u: %s", path, number, fault);
        line = next + 1;
    }
    if (keys->count == 0)
        return error_set(err, STATUS_INTERNAL, "%.200s: holds no key", path);
    return STATUS_OK;
}

enum status token_keys_read(const char *path, struct token_keys **keys, struct error *err) {
    char *text;
    size_t size;
    enum status status = secret_file_check(path, err);
    if (status == STATUS_OK)
        status = file_read(path, FILE_BYTES_MAX, &text, &size, err);
    if (status != STATUS_OK)
        return status;
    struct token_keys *created = create();
    status = created ? parse(path, text, size, created, err) : not_created(err);
    wipe_and_free(text);
    if (status != STATUS_OK) {
        token_keys_destroy(created);
        return status;
    }
    settle(created);
    *keys = created;
    return STATUS_OK;
}

void token_keys_destroy(struct token_keys *keys) { sodium_free(keys); }

size_t token_keys_count(const struct token_keys *keys) { return keys->count; }

const struct token_key *token_keys_at(const struct token_keys *keys, size_t index) {
    assert(index < keys->count);
    return &keys->keys[index];
}
