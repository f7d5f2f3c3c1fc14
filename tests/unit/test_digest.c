/* Vectors of FIPS 180-4's example messages and of sha256sum. */
#include "tests/unit/folder.h"

#include "model/digest.h"

static void digests_the_standards_examples(void **state) {
    (void)state;
    char text[DIGEST_TEXT_SIZE];
    digest_bytes("", 0, text);
    assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    digest_bytes("abc", 3, text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void digests_a_file_longer_than_one_piece(void **state) {
    (void)state;
    struct folder folder = folder_create();
    size_t size = 1000000;
    char *bytes = malloc(size);
    memset(bytes, 'a', size);
    folder_write(&folder, "million", bytes, size);
    free(bytes);
    char path[128], text[DIGEST_TEXT_SIZE];
    snprintf(path, sizeof(path), "%s/million", folder.path);
    assert_int_equal(digest_file(path, text, NULL), STATUS_OK);
    assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    folder_remove(&folder);
}

static void a_file_that_cannot_be_read_is_named(void **state) {
    (void)state;
    char text[DIGEST_TEXT_SIZE];
    struct error err;
    assert_int_equal(digest_file("/tmp/no-such-file", text, &err), STATUS_INTERNAL);
    assert_string_equal(err.detail, "/tmp/no-such-file: No such file or directory");
    assert_int_equal(digest_file("/tmp", text, &err), STATUS_INTERNAL);
    assert_string_equal(err.detail, "/tmp: not a regular file");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_the_standards_examples),
        cmocka_unit_test(digests_a_file_longer_than_one_piece),
        cmocka_unit_test(a_file_that_cannot_be_read_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
