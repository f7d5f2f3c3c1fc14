/* Removing one person from a data set. */
#include "model/dataset_manifest.h"
#include "model/dataset_person.h"
#include "model/people.h"
#include "tests/unit/folder.h"

#include <stdbool.h>
#include <sys/resource.h>

static struct folder folder;
static struct dataset_manifest manifest;
static struct dataset_left left;
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

static void add(const char *name, const char *text) {
    char sha256[DIGEST_TEXT_SIZE], path[256];
    digest_bytes(text, strlen(text), sha256);
    snprintf(path, sizeof path, "datasets/set/%s", name);
    folder_write_text(&folder, path, text);
    assert_int_equal(dataset_manifest_add(&manifest, name, sha256, &err), STATUS_OK);
}

static void add_people(void) {
    static const char *const names[] = {
        "Ada/Ada_0001.jpg", "Ada/Ada_0002.jpg", "Ada_Lovelace/Ada_Lovelace_0001.jpg",
        "Bo/Bo_0001.jpg",   "Bo/Bo_0002.jpg",   "Cy/Cy_0001.jpg"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        add(names[i], names[i]);
}

static void write_manifest(void) {
    char sha256[DIGEST_TEXT_SIZE], path[PATH_MAX];
    snprintf(path, sizeof path, "%s/datasets/set", folder.path);
    assert_int_equal(dataset_manifest_write(&manifest, path, sha256, &err), STATUS_OK);
}

static void remove_person(const char *person) {
    if (dataset_person_remove(folder.path, "set", person, &left, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
}

static bool is_there(const char *name) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/datasets/set/%s", folder.path, name);
    return access(path, F_OK) == 0;
}

static void assert_text(const char *name, const char *expected) {
    char path[PATH_MAX], text[1024] = "";
    snprintf(path, sizeof path, "%s/datasets/set/%s", folder.path, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(text, expected);
}

/* The manifest tells of the files as they are, and the digest is the manifest's. */
static void assert_manifest_holds(void) {
    char command[PATH_MAX], path[PATH_MAX], sha256[DIGEST_TEXT_SIZE];
    snprintf(command, sizeof command,
             "cd %s/datasets/set && sha256sum --quiet --strict -c files.sha256", folder.path);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/datasets/set/files.sha256", folder.path);
    assert_int_equal(digest_file(path, sha256, &err), STATUS_OK);
    assert_string_equal(sha256, left.sha256);
}

static void the_photographs_go_and_nobody_elses(void **state) {
    (void)state;
    add_people();
    write_manifest();
    remove_person("Ada");
    assert_int_equal(left.removed, 2);
    assert_int_equal(left.files, 4);
    assert_false(is_there("Ada"));
    assert_true(is_there("Ada_Lovelace/Ada_Lovelace_0001.jpg"));
    assert_manifest_holds();
}

static void nobody_of_that_name_changes_nothing(void **state) {
    (void)state;
    add_people();
    write_manifest();
    remove_person("Dee");
    assert_int_equal(left.removed, 0);
    assert_int_equal(left.files, 6);
    assert_manifest_holds();
}

static void a_people_list_loses_a_line(void **state) {
    (void)state;
    add_people();
    add("people.txt", "3\nAda\t2\nAda_Lovelace\t1\nBo\t2\n");
    add("peopleFolds.txt", "2\n2\nAda\t2\nCy\t1\n1\nBo\t2\n");
    write_manifest();
    remove_person("Ada");
    assert_text("people.txt", "2\nAda_Lovelace\t1\nBo\t2\n");
    assert_text("peopleFolds.txt", "2\n1\nCy\t1\n1\nBo\t2\n");
    assert_manifest_holds();
}

static void a_pairs_list_keeps_its_form(void **state) {
    (void)state;
    add_people();
    add("pairs.txt", "2\nAda\t1\t2\nBo\t1\t2\nBo\t1\tCy\t1\nCy\t1\tBo\t2\n");
    add("pairsFolds.txt", "2\t1\nBo\t1\t2\nBo\t1\tCy\t1\nBo\t1\t2\nCy\t1\tBo\t1\n");
    write_manifest();
    remove_person("Ada");
    assert_text("pairs.txt", "1\nBo\t1\t2\nBo\t1\tCy\t1\n");
    assert_text("pairsFolds.txt", "2\t1\nBo\t1\t2\nBo\t1\tCy\t1\nBo\t1\t2\nCy\t1\tBo\t1\n");
    assert_manifest_holds();
}

/* What who checks a data set takes (dataset.c, people.c) is taken here too, or a list about others
 * would go as malformed. */
static void every_form_of_a_list_is_kept(void **state) {
    (void)state;
    add_people();
    add("pairsZeros.txt", "02\nAda\t1\t2\nBo\t01\t2\nBo\t1\tCy\t1\nCy\t1\tBo\t2\n");
    add("pairsBlanks.txt", " 1 \r\n\r\n  Bo 1\t2\r\nBo   1 Cy 1");
    add("peopleZeros.txt", "0002\nAda\t02\nBo\t02\n");
    write_manifest();
    remove_person("Ada");
    assert_text("pairsZeros.txt", "1\nBo\t01\t2\nBo\t1\tCy\t1\n");
    assert_text("pairsBlanks.txt", " 1 \r\n\r\n  Bo 1\t2\r\nBo   1 Cy 1");
    assert_text("peopleZeros.txt", "1\nBo\t02\n");
    assert_manifest_holds();
    remove_person("Cy");
    assert_false(is_there("pairsBlanks.txt"));
}

static void a_list_of_many_folds_is_kept(void **state) {
    (void)state;
    enum { FOLDS = 1001 };
    char *text, path[PATH_MAX];
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    fprintf(stream, "%d\n", FOLDS);
    for (int i = 0; i < FOLDS; i++)
        fprintf(stream, "1\nP%04d\t1\n", i);
    fclose(stream);
    add_people();
    add("people.txt", text);
    free(text);
    write_manifest();
    remove_person("P0007");
    snprintf(path, sizeof path, "%s/datasets/set/people.txt", folder.path);
    struct people people;
    if (people_read(path, &people, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    assert_int_equal(people.count, FOLDS - 1);
    people_release(&people);
}

static void a_fold_in_which_nobody_is_left_goes(void **state) {
    (void)state;
    add_people();
    add("people.txt", "2\n2\nAda\t2\nCy\t1\n1\nBo\t2\n");
    write_manifest();
    remove_person("Bo");
    assert_text("people.txt", "1\n2\nAda\t2\nCy\t1\n");
    assert_manifest_holds();
}

static void the_last_line_needs_no_end(void **state) {
    (void)state;
    add_people();
    add("people.txt", "2\nAda\t2\nBo\t2");
    add("pairs.txt", "1\nBo\t1\t2\nBo\t1\tCy\t1");
    write_manifest();
    remove_person("Ada");
    assert_text("people.txt", "1\nBo\t2\n");
    assert_manifest_holds();
}

static long most_memory_kib(void) {
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* The process that removes is the one that answers requests. */
static void a_large_list_takes_little_memory(void **state) {
    (void)state;
    enum { HALF = 500000 };
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    fprintf(stream, "%d\nAda\t1\t2\n", HALF);
    for (int i = 0; i < HALF - 1; i++)
        fputs("Bo\t1\t2\n", stream);
    for (int i = 0; i < HALF; i++)
        fputs("Bo\t1\tCy\t1\n", stream);
    fclose(stream);
    add_people();
    add("pairs.txt", text);
    free(text);
    write_manifest();
    long before = most_memory_kib();
    remove_person("Ada");
    long taken = most_memory_kib() - before;
    if (taken > 4 * ((long)size >> 10))
        fail_msg("%ld KiB for a list of %zu", taken, size >> 10);
    assert_manifest_holds();
}

static void a_list_in_which_nobody_is_left_goes(void **state) {
    (void)state;
    add_people();
    add("pairs.txt", "1\nAda\t1\t2\nBo\t1\tCy\t1\n");
    add("people.txt", "1\nAda\t2\n");
    write_manifest();
    remove_person("Ada");
    assert_false(is_there("pairs.txt") || is_there("people.txt"));
    assert_int_equal(left.files, 4);
    assert_manifest_holds();
}

static void a_list_that_cannot_be_read_goes_too(void **state) {
    (void)state;
    add_people();
    add("people.txt", "Ada and others\n");
    write_manifest();
    remove_person("Ada");
    assert_false(is_there("people.txt"));
    assert_manifest_holds();
}

static void what_was_broken_off_is_ended(void **state) {
    (void)state;
    add_people();
    add("people.txt", "2\nAda\t2\nBo\t2\n");
    write_manifest();
    /* As after the list was written and the photographs went, but not the manifest. */
    folder_write_text(&folder, "datasets/set/people.txt", "1\nBo\t2\n");
    char path[PATH_MAX];
    for (int i = 1; i <= 2; i++) {
        snprintf(path, sizeof path, "%s/datasets/set/Ada/Ada_000%d.jpg", folder.path, i);
        assert_int_equal(unlink(path), 0);
    }
    remove_person("Ada");
    assert_int_equal(left.removed, 2);
    assert_text("people.txt", "1\nBo\t2\n");
    assert_manifest_holds();
}

/* The names are paths that are opened and written: they keep to the form, whoever wrote the file.
 */
static void a_manifest_that_leads_elsewhere_is_not_read(void **state) {
    (void)state;
    static const char *const names[] = {"../people.txt", "/etc/people.txt", "Ada/../Bo/Bo_0001.jpg",
                                        "top/people.txt", "model.json"};
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/datasets/set", folder.path);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[256];
        struct dataset_manifest read;
        struct error why = {""};
        snprintf(text, sizeof text, "%064d  %s\n", 0, names[i]);
        folder_write_text(&folder, "datasets/set/" DATASET_MANIFEST, text);
        assert_int_equal(dataset_manifest_read(path, &read, &why), STATUS_INTERNAL);
        assert_string_equal(why.detail, "a name in files.sha256 is malformed");
    }
}

static void a_manifest_that_is_cut_short_is_not_read(void **state) {
    (void)state;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/datasets/set", folder.path);
    static const char *const ends[] = {"", " ", " people.txt", "  "};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char text[256];
        struct dataset_manifest read;
        struct error why = {""};
        snprintf(text, sizeof text, "%064d%s", 0, ends[i]);
        folder_write_text(&folder, "datasets/set/" DATASET_MANIFEST, text);
        assert_int_equal(dataset_manifest_read(path, &read, &why), STATUS_INTERNAL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
        TEST(the_photographs_go_and_nobody_elses),
        TEST(nobody_of_that_name_changes_nothing),
        TEST(a_people_list_loses_a_line),
        TEST(a_pairs_list_keeps_its_form),
        TEST(every_form_of_a_list_is_kept),
        TEST(a_list_of_many_folds_is_kept),
        TEST(a_fold_in_which_nobody_is_left_goes),
        TEST(the_last_line_needs_no_end),
        TEST(a_large_list_takes_little_memory),
        TEST(a_list_in_which_nobody_is_left_goes),
        TEST(a_list_that_cannot_be_read_goes_too),
        TEST(what_was_broken_off_is_ended),
        TEST(a_manifest_that_leads_elsewhere_is_not_read),
        TEST(a_manifest_that_is_cut_short_is_not_read),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
