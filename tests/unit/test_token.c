/* Sealed embeddings and the keys that seal them. */
#include "tests/unit/folder.h"

#include "model/token.h"

#include <sodium.h>

enum { LENGTH = 5, NOW_MS = 1000 };

static float VALUES[LENGTH] = {0.5f, -0.0f, 1e-40f, -3.25e30f, 1.0f / 3};
static const struct token TOKEN = {
    .name = "some-model", .version = "12", .expires_ms = 2000, .length = LENGTH, .values = VALUES};

static struct token_keys *draw(void) {
    struct token_keys *keys;
    assert_int_equal(token_keys_draw(&keys, NULL), STATUS_OK);
    return keys;
}

static enum status open_now(const struct token_keys *keys, const char *text, struct token *token,
                            struct error *err) {
    return token_open(keys, text, strlen(text), NOW_MS, token, err);
}

static void assert_opens(const struct token_keys *keys, const char *text) {
    struct token token;
    assert_int_equal(open_now(keys, text, &token, NULL), STATUS_OK);
    assert_string_equal(token.name, "some-model");
    assert_string_equal(token.version, "12");
    assert_true(token.expires_ms == 2000);
    assert_int_equal(token.length, LENGTH);
    assert_memory_equal(token.values, VALUES, sizeof(VALUES));
    token_release(&token);
    assert_null(token.values);
}

static void assert_refused(const struct token_keys *keys, const char *text, size_t size) {
    struct token token;
    struct error err;
    assert_int_equal(token_open(keys, text, size, NOW_MS, &token, &err), STATUS_INVALID_FIELD);
    assert_non_null(strstr(err.detail, "no token of this service"));
    assert_null(token.values);
}

static void what_is_sealed_opens_bit_for_bit(void **state) {
    (void)state;
    struct token_keys *keys = draw();
    char *text = token_seal(keys, &TOKEN);
    assert_opens(keys, text);
    free(text);
    token_keys_destroy(keys);
}

static void the_longest_of_all_fits(void **state) {
    (void)state;
    static float values[CARD_EMBEDDING_LENGTH_MAX];
    struct token_keys *keys = draw();
    struct token longest = {.expires_ms = UINT64_MAX,
                            .length = CARD_EMBEDDING_LENGTH_MAX,
                            .values = values},
                 token;
    memset(longest.name, 'a', CARD_NAME_MAX);
    memset(longest.version, '9', CARD_VERSION_MAX);
    for (int i = 0; i < CARD_EMBEDDING_LENGTH_MAX; i++)
        values[i] = (float)i;
    char *text = token_seal(keys, &longest);
    assert_int_equal(open_now(keys, text, &token, NULL), STATUS_OK);
    assert_string_equal(token.name, longest.name);
    assert_string_equal(token.version, longest.version);
    assert_memory_equal(token.values, values, sizeof(values));
    token_release(&token);
    free(text);
    token_keys_destroy(keys);
}

static void every_seal_is_another(void **state) {
    (void)state;
    struct token_keys *keys = draw();
    char *a = token_seal(keys, &TOKEN), *b = token_seal(keys, &TOKEN);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), strlen(b));
    free(a);
    free(b);
    token_keys_destroy(keys);
}

static void no_byte_may_be_altered(void **state) {
    (void)state;
    struct token_keys *keys = draw();
    char *text = token_seal(keys, &TOKEN);
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        static const char others[] = "AQgw_-=+/ \n.";
        for (const char *other = others; *other; other++) {
            char genuine = text[i];
            if (*other == genuine)
                continue;
            text[i] = *other;
            assert_refused(keys, text, size);
            text[i] = genuine;
        }
    }
    assert_opens(keys, text);
    free(text);
    token_keys_destroy(keys);
}

static void no_byte_may_be_missing_or_added(void **state) {
    (void)state;
    struct token_keys *keys = draw();
    char *text = token_seal(keys, &TOKEN), longer[512];
    for (size_t size = 0; size < strlen(text); size++)
        assert_refused(keys, text, size);
    assert_refused(keys, text, strlen(text) + 1); /* its terminator */
    snprintf(longer, sizeof(longer), "%sA", text);
    assert_refused(keys, longer, strlen(longer));
    assert_refused(keys, text + 1, strlen(text) - 1);
    free(text);
    token_keys_destroy(keys);
}

static void another_process_does_not_open_it(void **state) {
    (void)state;
    struct token_keys *ours = draw(), *theirs = draw();
    char *text = token_seal(ours, &TOKEN);
    assert_refused(theirs, text, strlen(text));
    free(text);
    token_keys_destroy(ours);
    token_keys_destroy(theirs);
}

static void it_ends_on_time(void **state) {
    (void)state;
    struct token_keys *keys = draw();
    char *text = token_seal(keys, &TOKEN);
    struct token token;
    struct error err;
    assert_int_equal(token_open(keys, text, strlen(text), 1999, &token, &err), STATUS_OK);
    token_release(&token);
    assert_int_equal(token_open(keys, text, strlen(text), 2000, &token, &err),
                     STATUS_INVALID_FIELD);
    assert_non_null(strstr(err.detail, "expired"));
    assert_null(token.values);
    free(text);
    token_keys_destroy(keys);
}

/* ---- what only the holder of a key could make ---- */

/* A genuine seal over any plain text, by the format of token.h. */
static char *seal_plain(const struct token_keys *keys, uint8_t format, const uint8_t *plain,
                        size_t size) {
    static uint8_t sealed[1024];
    static char text[2048];
    const struct token_key *key = token_keys_at(keys, 0);
    unsigned long long written;
    sealed[0] = format;
    memcpy(sealed + 1, key->id, TOKEN_KEY_ID_BYTES);
    randombytes_buf(sealed + 1 + TOKEN_KEY_ID_BYTES, TOKEN_NONCE_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + TOKEN_HEADER_BYTES, &written, plain, size,
                                               sealed, TOKEN_HEADER_BYTES, NULL,
                                               sealed + 1 + TOKEN_KEY_ID_BYTES, key->bytes);
    sodium_bin2base64(text, sizeof(text), sealed, TOKEN_HEADER_BYTES + (size_t)written,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return text;
}

#define EXPIRES "\x00\x00\x00\x00\x00\x01\x00\x00"
#define ONE "\x01\x00\x00\x00\x00\x00\x80\x3f"

static void the_format_is_the_documented_one(void **state) {
    (void)state;
    static const char plain[] = EXPIRES "\x03"
                                        "abc\x02"
                                        "12" ONE;
    struct token_keys *keys = draw();
    struct token token;
    const char *text = seal_plain(keys, TOKEN_FORMAT, (const uint8_t *)plain, sizeof(plain) - 1);
    assert_int_equal(open_now(keys, text, &token, NULL), STATUS_OK);
    assert_true(token.expires_ms == UINT64_C(1) << 40);
    assert_string_equal(token.name, "abc");
    assert_string_equal(token.version, "12");
    assert_true(token.length == 1 && token.values[0] == 1.0f);
    token_release(&token);
    text = seal_plain(keys, TOKEN_FORMAT + 1, (const uint8_t *)plain, sizeof(plain) - 1);
    assert_refused(keys, text, strlen(text));
    token_keys_destroy(keys);
}

static void a_faulty_plain_text_is_refused_too(void **state) {
    (void)state;
#define PLAIN(text)                                                                                \
    { text, sizeof(text) - 1 }
    static const struct {
        const char *bytes;
        size_t size;
    } plains[] = {
        PLAIN(""),
        PLAIN("\x00\x00\x00"),
        PLAIN(EXPIRES),
        PLAIN(EXPIRES "\xff"
                      "abc"),
        PLAIN(EXPIRES "\x40"
                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x01"
                      "1" ONE),
        PLAIN(EXPIRES "\x03"
                      "a/b\x01"
                      "1" ONE),
        PLAIN(EXPIRES "\x01"
                      "a\x02"
                      "01" ONE),
        PLAIN(EXPIRES "\x00\x01"
                      "1" ONE),
        PLAIN(EXPIRES "\x01"
                      "a\x01"
                      "1\x00\x00\x00\x00"),
        PLAIN(EXPIRES "\x01"
                      "a\x01"
                      "1\x02\x00\x00\x00\x00\x00\x80\x3f"),
        PLAIN(EXPIRES "\x01"
                      "a\x01"
                      "1\xff\xff\xff\xff\x00\x00\x80\x3f"),
        PLAIN(EXPIRES "\x01"
                      "a\x01"
                      "1" ONE "\x00"),
    };
    struct token_keys *keys = draw();
    for (size_t i = 0; i < sizeof(plains) / sizeof(plains[0]); i++) {
        uint8_t *exact = malloc(plains[i].size ? plains[i].size : 1);
        memcpy(exact, plains[i].bytes, plains[i].size);
        const char *text = seal_plain(keys, TOKEN_FORMAT, exact, plains[i].size);
        assert_refused(keys, text, strlen(text));
        free(exact);
    }
    token_keys_destroy(keys);
}

/* ---- keys in a file ---- */

#define KEY_1 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_1_BASE64 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_2 "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0"
#define KEY_2_URL "__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA"

static enum status read_keys(const char *text, mode_t mode, struct token_keys **keys,
                             struct error *err) {
    struct folder folder = folder_create();
    char path[PATH_MAX];
    folder_write_text(&folder, "keys", text);
    snprintf(path, sizeof(path), "%s/keys", folder.path);
    assert_int_equal(chmod(path, mode), 0);
    enum status status = token_keys_read(path, keys, err);
    folder_remove(&folder);
    return status;
}

static struct token_keys *keys_of(const char *text) {
    struct token_keys *keys;
    assert_int_equal(read_keys(text, 0600, &keys, NULL), STATUS_OK);
    return keys;
}

static void keys_are_base64_or_hexadecimal(void **state) {
    (void)state;
    struct token_keys *hex = keys_of("# both\n" KEY_1 "\n\n" KEY_2 "\n");
    struct token_keys *base64 = keys_of(KEY_1_BASE64 " \r\n" KEY_2_URL);
    assert_int_equal(token_keys_count(hex), 2);
    assert_int_equal(token_keys_count(base64), 2);
    for (size_t i = 0; i < 2; i++)
        assert_memory_equal(token_keys_at(hex, i), token_keys_at(base64, i),
                            sizeof(struct token_key));
    assert_int_equal(token_keys_at(hex, 0)->bytes[31], 0x1f);
    assert_memory_not_equal(token_keys_at(hex, 0)->id, token_keys_at(hex, 1)->id,
                            TOKEN_KEY_ID_BYTES);
    token_keys_destroy(hex);
    token_keys_destroy(base64);
}

static void the_first_seals_and_all_open(void **state) {
    (void)state;
    struct token_keys *first = keys_of(KEY_1 "\n" KEY_2), *second = keys_of(KEY_2 "\n" KEY_1);
    struct token_keys *alone = keys_of(KEY_1);
    char *by_first = token_seal(first, &TOKEN), *by_second = token_seal(second, &TOKEN);
    assert_opens(second, by_first);
    assert_opens(first, by_second);
    assert_opens(alone, by_first);
    assert_refused(alone, by_second, strlen(by_second));
    free(by_first);
    free(by_second);
    token_keys_destroy(first);
    token_keys_destroy(second);
    token_keys_destroy(alone);
}

static void a_faulty_line_is_named(void **state) {
    (void)state;
    static const struct {
        const char *text, *named;
    } cases[] = {
        {"", "no key"},
        {"# nothing\n\n", "no key"},
        {KEY_1 "\n" KEY_2 "0", "line 2: not 32 bytes"},
        {KEY_1_BASE64 "=", "line 1: not 32 bytes"},
        {"\n\nAAEC", "line 3: not 32 bytes"},
        {" " KEY_1, "line 1: not 32 bytes"},
        {KEY_1 "\n" KEY_1_BASE64, "line 2: a key that stands above"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct token_keys *keys = NULL;
        struct error err;
        assert_int_equal(read_keys(cases[i].text, 0600, &keys, &err), STATUS_INTERNAL);
        assert_non_null(strstr(err.detail, "/keys"));
        assert_non_null(strstr(err.detail, cases[i].named));
        assert_null(keys);
    }
}

static void a_file_open_to_others_is_refused(void **state) {
    (void)state;
    static const mode_t refused[] = {0644, 0604, 0601, 0660, 0602}, accepted[] = {0600, 0400, 0440};
    struct token_keys *keys;
    struct error err;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_int_equal(read_keys(KEY_1, refused[i], &keys, &err), STATUS_INTERNAL);
        assert_non_null(strstr(err.detail, "chmod"));
    }
    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        assert_int_equal(read_keys(KEY_1, accepted[i], &keys, &err), STATUS_OK);
        token_keys_destroy(keys);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sealed_opens_bit_for_bit),
        cmocka_unit_test(the_longest_of_all_fits),
        cmocka_unit_test(every_seal_is_another),
        cmocka_unit_test(no_byte_may_be_altered),
        cmocka_unit_test(no_byte_may_be_missing_or_added),
        cmocka_unit_test(another_process_does_not_open_it),
        cmocka_unit_test(it_ends_on_time),
        cmocka_unit_test(the_format_is_the_documented_one),
        cmocka_unit_test(a_faulty_plain_text_is_refused_too),
        cmocka_unit_test(keys_are_base64_or_hexadecimal),
        cmocka_unit_test(the_first_seals_and_all_open),
        cmocka_unit_test(a_faulty_line_is_named),
        cmocka_unit_test(a_file_open_to_others_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
