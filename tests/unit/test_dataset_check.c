/* Which data sets can be learned from. */
#include "model/dataset_check.h"
#include "model/dataset_manifest.h"
#include "tests/unit/folder.h"

static struct folder folder;
static struct dataset_manifest manifest;
static struct dataset_check_result result;
static struct error err;

static int start(void **state) {
    (void)state;
    folder = folder_create();
    manifest = (struct dataset_manifest){0};
    return 0;
}

static int stop(void **state) {
    (void)state;
    folder_remove(&folder);
    dataset_manifest_release(&manifest);
    return 0;
}

static void add(const char *name, const char *bytes, size_t size) {
    char sha256[DIGEST_TEXT_SIZE];
    digest_bytes(bytes, size, sha256);
    folder_write(&folder, name, bytes, size);
    assert_int_equal(dataset_manifest_add(&manifest, name, sha256, &err), STATUS_OK);
}

static void add_text(const char *name, const char *text) { add(name, text, strlen(text)); }

static void add_photograph(const char *name, const char *from) {
    char path[PATH_MAX], bytes[65536];
    snprintf(path, sizeof path, "%s/tests/images/%s", FACEPAIR_SOURCE_DIR, from);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    add(name, bytes, size);
}

static void add_people(void) {
    add_photograph("Ada/Ada_0001.jpg", "baseline-420.jpg");
    add_photograph("Ada/Ada_0002.png", "rgb8.png");
    add_photograph("Bo/Bo_0001.webp", "lossy.webp");
}

static void check_at(const char *directory) {
    char sha256[DIGEST_TEXT_SIZE];
    const struct dataset_check_hooks hooks = {0};
    assert_int_equal(dataset_manifest_write(&manifest, folder.path, sha256, &err), STATUS_OK);
    assert_int_equal(dataset_check(directory, &IMAGE_LIMITS_DEFAULT, &hooks, &result, &err),
                     STATUS_OK);
}

static void check(void) { check_at(folder.path); }

static void assert_rejected(const char *code, const char *why) {
    check();
    assert_false(result.usable);
    assert_string_equal(result.code, code);
    if (!strstr(result.why.detail, why) || strstr(result.why.detail, folder.path))
        fail_msg("\"%s\" in \"%s\"?", why, result.why.detail);
}

static void two_people_and_a_pair_are_enough(void **state) {
    (void)state;
    add_people();
    check();
    assert_true(result.usable);
    assert_int_equal(result.people, 2);
    assert_int_equal(result.images, 3);
    assert_int_equal(result.undecodable, 0);
}

static void one_person_is_not_enough(void **state) {
    (void)state;
    add_photograph("Ada/Ada_0001.jpg", "baseline-420.jpg");
    add_photograph("Ada/Ada_0002.jpg", "baseline-420.jpg");
    assert_rejected("one_person", "not of 1");
}

static void a_photograph_of_each_makes_no_pair(void **state) {
    (void)state;
    add_photograph("Ada/Ada_0001.jpg", "baseline-420.jpg");
    add_photograph("Ada-Bo/Ada-Bo_0001.jpg", "baseline-420.jpg"); /* sorted before "Ada/" */
    assert_rejected("no_pairs", "Nobody has two");
    assert_int_equal(result.people, 2);
}

static void photographs_that_are_none_are_counted_and_the_first_named(void **state) {
    (void)state;
    add_people();
    add_text("Cy/Cy_0001.jpg", "no photograph at all");
    add_text("Cy/Cy_0002.jpg", "");
    assert_rejected("undecodable_images", "2 of 5 photographs cannot be decoded; the first is Cy/");
    assert_int_equal(result.undecodable, 2);
}

static void a_photograph_cut_short_is_none(void **state) {
    (void)state;
    add_people();
    char path[PATH_MAX], bytes[65536];
    snprintf(path, sizeof path, "%s/tests/images/baseline-420.jpg", FACEPAIR_SOURCE_DIR);
    FILE *file = fopen(path, "rb");
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    add("Cy/Cy_0001.jpg", bytes, size / 2);
    assert_rejected("undecodable_images", "1 of 4");
}

static void lists_may_name_what_is_there_in_any_format(void **state) {
    (void)state;
    add_people();
    add_text("pairs.txt", "1\nAda\t1\t2\nAda\t2\tBo\t1\n");
    add_text("people.txt", "2\nAda\t2\nBo\t1\n");
    check();
    assert_true(result.usable);
}

static void a_list_that_names_what_is_not_there_is_told(void **state) {
    (void)state;
    add_people();
    add_text("pairsOther.txt", "1\nAda\t1\t2\nAda\t2\tBo\t2\n");
    assert_rejected("invalid_list", "pairsOther.txt names Bo/Bo_0002.jpg");
    add_text("pairsAnother.txt", "1\nAda\t1\n");
    assert_rejected("invalid_list", "pairsAnother.txt: line 2");
}

static void a_people_list_that_names_too_many_is_told(void **state) {
    (void)state;
    add_people();
    add_text("people.txt", "1\nBo\t2\n");
    assert_rejected("invalid_list", "people.txt names Bo/Bo_0002.jpg");
}

static void a_people_list_that_is_none_is_told_without_a_path(void **state) {
    (void)state;
    add_people();
    add_text("people.txt", "one\n");
    assert_rejected("invalid_list", "people.txt: line 1");
}

static void a_path_that_is_cut_in_an_error_is_not_told_either(void **state) {
    (void)state;
    char directory[PATH_MAX];
    snprintf(directory, sizeof directory, "%s/%0130d", folder.path, 0);
    assert_int_equal(symlink(".", directory), 0);
    add_people();
    add_text("people.txt", "one\n");
    check_at(directory);
    assert_string_equal(result.code, "invalid_list");
    assert_null(strchr(result.why.detail, '/'));
    assert_non_null(strstr(result.why.detail, "line 1"));
}

static bool refuse(void *context, size_t done, size_t images) {
    assert_int_equal(images, 3);
    (void)context;
    return done < 2;
}

static void it_can_be_stopped(void **state) {
    (void)state;
    add_people();
    check();
    const struct dataset_check_hooks hooks = {.go_on = refuse};
    assert_int_equal(dataset_check(folder.path, &IMAGE_LIMITS_DEFAULT, &hooks, &result, &err),
                     STATUS_OK);
    assert_true(result.stopped && !result.usable);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
        TEST(two_people_and_a_pair_are_enough),
        TEST(one_person_is_not_enough),
        TEST(a_photograph_of_each_makes_no_pair),
        TEST(photographs_that_are_none_are_counted_and_the_first_named),
        TEST(a_photograph_cut_short_is_none),
        TEST(lists_may_name_what_is_there_in_any_format),
        TEST(a_list_that_names_what_is_not_there_is_told),
        TEST(a_people_list_that_names_too_many_is_told),
        TEST(a_people_list_that_is_none_is_told_without_a_path),
        TEST(a_path_that_is_cut_in_an_error_is_not_told_either),
        TEST(it_can_be_stopped),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
