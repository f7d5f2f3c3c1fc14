/* The callers' keys: the file, finding, changing, and the limit of each. */
#include "tests/unit/folder.h"

#include "api/keys.h"
#include "api/scopes.h"

#include <pthread.h>
#include <sodium.h>

#define HASH "bc5be1ba5bd44b1b3165b54b7a5a4cf157a431101489327646f52cfd7d909d12"
#define KEY(id, hash, more)                                                                        \
    "{\"id\": \"" id "\", \"hash\": \"" hash "\", \"created_at\": \"2026-11-27T16:30:23.494Z\", "  \
    "\"scopes\": \"verify\"" more "}"

struct place {
    struct folder folder;
    char path[PATH_MAX];
};

static int create_place(void **state) {
    struct place *place = calloc(1, sizeof *place);
    place->folder = folder_create();
    snprintf(place->path, sizeof place->path, "%s/keys.json", place->folder.path);
    *state = place;
    return 0;
}

static int remove_place(void **state) {
    struct place *place = *state;
    folder_remove(&place->folder);
    free(place);
    return 0;
}

static struct keys *read_keys(const struct place *place) {
    struct keys *keys;
    struct error err;
    if (keys_read(place->path, &keys, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return keys;
}

static void create_key(const struct place *place, unsigned scopes, char text[KEY_TEXT_SIZE]) {
    struct key wanted = {.scopes = scopes, .name = "someone", .limit = {2, 5}};
    struct error err;
    if (keys_create(place->path, &wanted, text, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
}

static void a_link_leads_to_the_file_that_is_changed(void **state) {
    struct place *place = *state, link = *place;
    char text[KEY_TEXT_SIZE];
    struct stat about;
    create_key(place, SCOPE_VERIFY, text);
    assert_int_equal(chmod(place->path, 0600), 0);
    snprintf(link.path, sizeof link.path, "%s/link.json", place->folder.path);
    assert_int_equal(symlink("keys.json", link.path), 0);
    create_key(&link, SCOPE_VERIFY, text);
    struct keys *keys = read_keys(place);
    assert_non_null(keys_find(keys, text));
    keys_destroy(keys);
    assert_int_equal(lstat(link.path, &about), 0);
    assert_true(S_ISLNK(about.st_mode));
    assert_int_equal(stat(place->path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
}

static void a_created_key_is_found_by_its_text_alone(void **state) {
    struct place *place = *state;
    char text[KEY_TEXT_SIZE], other[KEY_TEXT_SIZE];
    create_key(place, SCOPE_VERIFY | SCOPE_EMBED_RAW, text);
    create_key(place, SCOPE_METRICS_READ, other);
    struct keys *keys = read_keys(place);
    const struct key *key = keys_find(keys, text);
    assert_non_null(key);
    assert_int_equal(key->scopes, SCOPE_VERIFY | SCOPE_EMBED_RAW);
    assert_string_equal(key->name, "someone");
    assert_true(key->limit.per_s == 2 && key->limit.burst == 5);
    assert_ptr_not_equal(keys_find(keys, other), key);
    for (size_t i = 0; text[i]; i++) {
        char wrong[KEY_TEXT_SIZE];
        memcpy(wrong, text, sizeof wrong);
        wrong[i] = wrong[i] == 'A' ? 'B' : 'A';
        assert_null(keys_find(keys, wrong));
    }
    keys_destroy(keys);
}

static void what_is_no_key_is_not_found(void **state) {
    struct place *place = *state;
    char text[KEY_TEXT_SIZE], longer[KEY_TEXT_SIZE + 1];
    create_key(place, SCOPE_VERIFY, text);
    struct keys *keys = read_keys(place);
    snprintf(longer, sizeof longer, "%sA", text);
    assert_null(keys_find(keys, longer));
    assert_null(keys_find(keys, text + 1));
    assert_null(keys_find(keys, ""));
    assert_null(keys_find(keys, "fp_"));
    text[KEY_TEXT_SIZE - 2] = '\0';
    assert_null(keys_find(keys, text));
    keys_destroy(keys);
}

/* BLAKE2b-256 of the secret's characters, by Python's hashlib.blake2b(…, digest_size=32). */
static void the_hash_is_blake2b_of_the_secrets_text(void **state) {
    struct place *place = *state;
    folder_write_text(&place->folder, "keys.json",
                      "{\"keys\": [" KEY("47e80e3ee2cbaeba", HASH, "") "]}");
    struct keys *keys = read_keys(place);
    assert_non_null(
        keys_find(keys, "fp_47e80e3ee2cbaeba_fHHN2iXT6kJmQOleN06rwHPmFq-FDcTd1LYYXvfAsRo"));
    keys_destroy(keys);
}

static void the_file_holds_no_secret(void **state) {
    struct place *place = *state;
    char text[KEY_TEXT_SIZE], bytes[4096] = "";
    create_key(place, SCOPE_VERIFY, text);
    FILE *file = fopen(place->path, "rb");
    assert_true(fread(bytes, 1, sizeof bytes - 1, file) > 0);
    fclose(file);
    assert_null(strstr(bytes, text + KEY_ID_SIZE + 3));
}

static void a_revoked_key_is_gone_and_the_others_stay(void **state) {
    struct place *place = *state;
    char text[3][KEY_TEXT_SIZE], id[KEY_ID_SIZE];
    for (int i = 0; i < 3; i++)
        create_key(place, SCOPE_VERIFY, text[i]);
    snprintf(id, sizeof id, "%.16s", text[1] + 3);
    struct error err;
    assert_int_equal(keys_revoke(place->path, id, &err), STATUS_OK);
    assert_int_equal(keys_revoke(place->path, id, &err), STATUS_NOT_FOUND);
    struct keys *keys = read_keys(place);
    assert_int_equal(keys_count(keys), 2);
    assert_non_null(keys_find(keys, text[0]));
    assert_null(keys_find(keys, text[1]));
    assert_non_null(keys_find(keys, text[2]));
    keys_destroy(keys);
}

static void a_file_without_keys_lets_nobody_in(void **state) {
    struct place *place = *state;
    char text[KEY_TEXT_SIZE];
    create_key(place, SCOPE_VERIFY, text);
    folder_write_text(&place->folder, "keys.json", "{\"keys\": []}");
    struct keys *keys = read_keys(place);
    assert_null(keys_find(keys, text));
    keys_destroy(keys);
}

static void a_faulty_file_is_refused_with_what_is_wrong(void **state) {
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"", "keys.json"},
        {"[]", "keys"},
        {"{\"keys\": [" KEY("47e80e3ee2cbaeb", HASH, "") "]}", "id"},
        {"{\"keys\": [" KEY("47E80e3ee2cbaeba", HASH, "") "]}", "id"},
        {"{\"keys\": [" KEY("47e80e3ee2cbaeba", "abcd", "") "]}", "hash"},
        {"{\"keys\": [" KEY("47e80e3ee2cbaeba", HASH, ", \"rate\": 0, \"burst\": 1") "]}", "rate"},
        {"{\"keys\": [" KEY("47e80e3ee2cbaeba", HASH, ", \"rate\": 1") "]}", "burst"},
        {"{\"keys\": [" KEY("47e80e3ee2cbaeba", HASH, ", \"scopes\": \"verify\"") "]}", "scopes"},
        {"{\"keys\": [{\"id\": \"47e80e3ee2cbaeba\", \"hash\": \"" HASH
         "\", \"created_at\": \"x\", \"scopes\": \"verify all\"}]}",
         "there is no scope"},
        {"{\"keys\": [" KEY("47e80e3ee2cbaeba", HASH, "") ", " KEY("47e80e3ee2cbaeba", HASH,
                                                                   "") "]}",
         "twice"},
    };
    struct place *place = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct keys *keys;
        struct error err;
        folder_write_text(&place->folder, "keys.json", cases[i].text);
        assert_int_equal(keys_read(place->path, &keys, &err), STATUS_INTERNAL);
        assert_non_null(strstr(err.detail, cases[i].told));
    }
}

static void a_file_that_others_may_write_is_refused(void **state) {
    struct place *place = *state;
    struct keys *keys;
    struct error err;
    char text[KEY_TEXT_SIZE];
    create_key(place, SCOPE_VERIFY, text);
    assert_int_equal(chmod(place->path, 0664), 0);
    assert_int_equal(keys_read(place->path, &keys, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "chmod"));
}

static void *create_ten(void *context) {
    char text[KEY_TEXT_SIZE];
    for (int i = 0; i < 10; i++)
        create_key(context, SCOPE_VERIFY, text);
    return NULL;
}

static void of_changes_at_once_none_is_lost(void **state) {
    struct place *place = *state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, create_ten, place), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    struct keys *keys = read_keys(place);
    assert_int_equal(keys_count(keys), 40);
    keys_destroy(keys);
}

static void a_limit_goes_on_when_the_file_is_read_anew(void **state) {
    struct place *place = *state;
    char text[KEY_TEXT_SIZE];
    create_key(place, SCOPE_VERIFY, text);
    struct keys *before = read_keys(place), *after = read_keys(place);
    unsigned wait_s;
    struct key *key = keys_find(before, text);
    for (int i = 0; i < 5; i++)
        assert_true(rate_bucket_take(&key->bucket, &key->limit, 1000000, &wait_s));
    keys_carry_over(after, before);
    key = keys_find(after, text);
    assert_false(rate_bucket_take(&key->bucket, &key->limit, 1000000, &wait_s));
    keys_destroy(before);
    keys_destroy(after);
}

/* ---- rate_limit.h ---- */

static void a_burst_passes_and_then_the_rate(void **state) {
    (void)state;
    const struct rate_limit limit = {.per_s = 2, .burst = 3};
    struct rate_bucket bucket = {0};
    unsigned wait_s = 0;
    uint64_t now = 5000000;
    for (int i = 0; i < 3; i++)
        assert_true(rate_bucket_take(&bucket, &limit, now, &wait_s));
    assert_false(rate_bucket_take(&bucket, &limit, now, &wait_s));
    assert_int_equal(wait_s, 1);
    assert_true(rate_bucket_take(&bucket, &limit, now + 500000, &wait_s));
    assert_false(rate_bucket_take(&bucket, &limit, now + 900000, &wait_s));
    now += 3600 * UINT64_C(1000000); /* never more than the burst */
    for (int i = 0; i < 3; i++)
        assert_true(rate_bucket_take(&bucket, &limit, now, &wait_s));
    assert_false(rate_bucket_take(&bucket, &limit, now, &wait_s));
}

static void a_slow_rate_tells_how_long_to_wait(void **state) {
    (void)state;
    const struct rate_limit limit = {.per_s = 0.1, .burst = 1};
    struct rate_bucket bucket = {0};
    unsigned wait_s = 0;
    assert_true(rate_bucket_take(&bucket, &limit, 1, &wait_s));
    assert_false(rate_bucket_take(&bucket, &limit, 4000001, &wait_s));
    assert_int_equal(wait_s, 6);
}

static void without_a_rate_there_is_no_limit(void **state) {
    (void)state;
    const struct rate_limit limit = {0};
    struct rate_bucket bucket = {0};
    unsigned wait_s;
    for (int i = 0; i < 1000; i++)
        assert_true(rate_bucket_take(&bucket, &limit, 1, &wait_s));
}

#define IN_A_PLACE(test) cmocka_unit_test_setup_teardown(test, create_place, remove_place)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_PLACE(a_link_leads_to_the_file_that_is_changed),
        IN_A_PLACE(a_created_key_is_found_by_its_text_alone),
        IN_A_PLACE(what_is_no_key_is_not_found),
        IN_A_PLACE(the_hash_is_blake2b_of_the_secrets_text),
        IN_A_PLACE(the_file_holds_no_secret),
        IN_A_PLACE(a_revoked_key_is_gone_and_the_others_stay),
        IN_A_PLACE(a_file_without_keys_lets_nobody_in),
        IN_A_PLACE(a_faulty_file_is_refused_with_what_is_wrong),
        IN_A_PLACE(a_file_that_others_may_write_is_refused),
        IN_A_PLACE(of_changes_at_once_none_is_lost),
        IN_A_PLACE(a_limit_goes_on_when_the_file_is_read_anew),
        cmocka_unit_test(a_burst_passes_and_then_the_rate),
        cmocka_unit_test(a_slow_rate_tells_how_long_to_wait),
        cmocka_unit_test(without_a_rate_there_is_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
