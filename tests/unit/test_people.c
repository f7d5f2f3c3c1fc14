#include "tests/unit/folder.h"

#include "model/people.h"

static enum status read_text(const char *text, struct people *people, struct error *err) {
    struct folder folder = folder_create();
    char path[128];
    folder_write_text(&folder, "people.txt", text);
    snprintf(path, sizeof(path), "%s/people.txt", folder.path);
    enum status status = people_read(path, people, err);
    folder_remove(&folder);
    return status;
}

static void reads_a_list_and_orders_it_by_name(void **state) {
    (void)state;
    struct people people;
    assert_int_equal(read_text("2\nBob_B\t3\nAda_A\t1\n", &people, NULL), STATUS_OK);
    assert_int_equal(people.count, 2);
    assert_int_equal(people.images, 4);
    assert_string_equal(people.list[0].name, "Ada_A");
    assert_int_equal(people.list[1].images, 3);
    people_release(&people);
}

static void reads_the_folds_of_view_2(void **state) {
    (void)state;
    struct people people;
    assert_int_equal(read_text("2\n1\nBob_B\t3\n2\nAda_A\t1\nCyd_C\t2\n", &people, NULL),
                     STATUS_OK);
    assert_int_equal(people.count, 3);
    assert_int_equal(people.images, 6);
    people_release(&people);
}

static void faulty_files_are_refused_with_the_line(void **state) {
    (void)state;
    static const struct {
        const char *text, *named;
    } cases[] = {
        {"", "line 0"},
        {"x\n", "line 1"},
        {"0\n", "line 1"},
        {"2\nAda_A\t1\n", "line 2"},
        {"1\nAda_A\t1\nBob_B\t1\n", "line 3"},
        {"1\nAda_A\t0\n", "line 2"},
        {"1\nAda_A\t10000\n", "line 2"},
        {"1\nAda_A\t-1\n", "line 2"},
        {"1\nAda_A\t1\t1\n", "line 2"},
        {"1\n../etc\t1\n", "line 2"},
        {"1\n..\t1\n", "line 2"},
        {"1\na/b\t1\n", "line 2"},
        {"2\nAda_A\t1\nAda_A\t2\n", "twice"},
        {"2\n1\nAda_A\t1\n", "line 3"},
        {"99999999999\nAda_A\t1\n", "line 1"},
        {"1\n1\n1\n", "line 3"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct people people;
        struct error err = {""};
        assert_int_equal(read_text(cases[i].text, &people, &err), STATUS_INVALID_FIELD);
        assert_non_null(strstr(err.detail, cases[i].named));
    }
}

static void a_missing_file_is_an_internal_error(void **state) {
    (void)state;
    struct people people;
    struct error err;
    assert_int_equal(people_read("/nowhere/people.txt", &people, &err), STATUS_INTERNAL);
}

/* printf %s Ada_A | sha256sum */
static void a_person_is_known_by_the_hash_of_the_name(void **state) {
    (void)state;
    char hash[PERSON_HASH_SIZE];
    person_hash("Ada_A", hash);
    assert_string_equal(hash, "36d1f39b6bb206e3");
}

static void the_digest_tells_who_is_in_it_in_any_order(void **state) {
    (void)state;
    struct people one, other, more;
    char a[65], b[65], c[65];
    assert_int_equal(read_text("2\nBob_B\t3\nAda_A\t1\n", &one, NULL), STATUS_OK);
    assert_int_equal(read_text("2\nAda_A\t2\nBob_B\t1\n", &other, NULL), STATUS_OK);
    assert_int_equal(read_text("1\nAda_A\t2\n", &more, NULL), STATUS_OK);
    assert_int_equal(people_digest(&one, a, NULL), STATUS_OK);
    assert_int_equal(people_digest(&other, b, NULL), STATUS_OK);
    assert_int_equal(people_digest(&more, c, NULL), STATUS_OK);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    people_release(&one);
    people_release(&other);
    people_release(&more);
}

static void people_of_both_sides_are_refused(void **state) {
    (void)state;
    struct people calibrated, others, overlapping;
    struct error err = {""};
    size_t size;
    assert_int_equal(read_text("2\nBob_B\t3\nAda_A\t1\n", &calibrated, NULL), STATUS_OK);
    assert_int_equal(read_text("1\nCyd_C\t3\n", &others, NULL), STATUS_OK);
    assert_int_equal(read_text("2\nCyd_C\t3\nBob_B\t1\n", &overlapping, NULL), STATUS_OK);
    char *hashes = people_hashes(&calibrated, &size);
    assert_non_null(hashes);
    assert_int_equal(strlen(hashes), size);
    assert_int_equal(people_refuse_overlap(&others, hashes, "it knows", &err), STATUS_OK);
    assert_int_equal(people_refuse_overlap(&overlapping, hashes, "it knows", &err),
                     STATUS_INVALID_FIELD);
    assert_non_null(strstr(err.detail, "Bob_B"));
    free(hashes);
    people_release(&calibrated);
    people_release(&others);
    people_release(&overlapping);
}

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

/* Everyone of a list is in one part alone, and nobody is lost. */
static void the_committed_split_has_disjoint_parts(void **state) {
    (void)state;
    FILE *file = fopen(FACEPAIR_SOURCE_DIR "/model/lfw-development-split.txt", "r");
    assert_non_null(file);
    enum { ROOM = 5000 };
    static char hashes[ROOM][PERSON_HASH_SIZE];
    size_t count = 0, learning = 0, calibration = 0, evaluation = 0;
    char line[128], part[32];
    while (fgets(line, sizeof(line), file)) {
        if (line[0] == '#')
            continue;
        assert_true(count < ROOM);
        assert_int_equal(sscanf(line, "%31s %16s", part, hashes[count]), 2);
        assert_int_equal(strlen(hashes[count]), 16);
        learning += strcmp(part, "learning") == 0;
        calibration += strcmp(part, "calibration") == 0;
        evaluation += strcmp(part, "evaluation") == 0;
        count++;
    }
    fclose(file);
    assert_int_equal(count, 4038);
    assert_int_equal(learning, 2019);
    assert_int_equal(calibration, 1009);
    assert_int_equal(evaluation, 1010);
    qsort(hashes, count, PERSON_HASH_SIZE, by_text);
    for (size_t i = 1; i < count; i++)
        assert_string_not_equal(hashes[i], hashes[i - 1]);
}

static void a_part_keeps_those_whom_the_split_puts_in_it(void **state) {
    (void)state;
    struct folder folder = folder_create();
    char path[128], text[256], hash[2][PERSON_HASH_SIZE];
    struct people people;
    struct error err = {""};
    person_hash("Ada_A", hash[0]);
    person_hash("Bob_B", hash[1]);
    snprintf(text, sizeof(text), "# a split\nlearning %s\nevaluation %s\n", hash[0], hash[1]);
    folder_write_text(&folder, "split.txt", text);
    snprintf(path, sizeof(path), "%s/split.txt", folder.path);
    assert_int_equal(read_text("3\nCyd_C\t9\nBob_B\t3\nAda_A\t1\n", &people, NULL), STATUS_OK);
    assert_int_equal(people_keep_part(&people, path, "evaluation", &err), STATUS_OK);
    assert_int_equal(people.count, 1);
    assert_int_equal(people.images, 3);
    assert_string_equal(people.list[0].name, "Bob_B");
    assert_int_equal(people_keep_part(&people, path, "learning", &err), STATUS_INVALID_FIELD);
    people_release(&people);
    folder_write_text(&folder, "split.txt", "learning 12\n");
    assert_int_equal(read_text("1\nAda_A\t1\n", &people, NULL), STATUS_OK);
    assert_int_equal(people_keep_part(&people, path, "learning", &err), STATUS_INVALID_FIELD);
    assert_non_null(strstr(err.detail, "line 1"));
    people_release(&people);
    folder_remove(&folder);
}

static void groups_are_told_by_name(void **state) {
    (void)state;
    struct folder folder = folder_create();
    char path[128];
    struct people people;
    struct error err = {""};
    folder_write_text(&folder, "groups.txt", "Ada_A\tx\nBob_B y\nNobody_N z\n");
    snprintf(path, sizeof(path), "%s/groups.txt", folder.path);
    assert_int_equal(read_text("3\nCyd_C\t9\nBob_B\t3\nAda_A\t1\n", &people, NULL), STATUS_OK);
    assert_int_equal(people_group(&people, path, &err), STATUS_OK);
    assert_int_equal(people.groups_count, 2);
    assert_string_equal(people.groups[people.list[0].group], "x");
    assert_string_equal(people.groups[people.list[1].group], "y");
    assert_int_equal(people.list[2].group, PEOPLE_NO_GROUP);
    people_release(&people);
    folder_remove(&folder);
}

static void two_lists_of_hashes_join_to_one_that_names_each_once(void **state) {
    (void)state;
    static const char A[] = "0000000000000001\n0000000000000003\n";
    static const char B[] = "0000000000000001\n0000000000000002\n0000000000000004\n";
    char *joined = people_hashes_join(A, B);
    assert_string_equal(joined, "0000000000000001\n0000000000000002\n0000000000000003\n"
                                "0000000000000004\n");
    free(joined);
    joined = people_hashes_join("", B);
    assert_string_equal(joined, B);
    free(joined);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_lists_of_hashes_join_to_one_that_names_each_once),
        cmocka_unit_test(reads_a_list_and_orders_it_by_name),
        cmocka_unit_test(reads_the_folds_of_view_2),
        cmocka_unit_test(faulty_files_are_refused_with_the_line),
        cmocka_unit_test(a_missing_file_is_an_internal_error),
        cmocka_unit_test(a_person_is_known_by_the_hash_of_the_name),
        cmocka_unit_test(the_digest_tells_who_is_in_it_in_any_order),
        cmocka_unit_test(people_of_both_sides_are_refused),
        cmocka_unit_test(the_committed_split_has_disjoint_parts),
        cmocka_unit_test(a_part_keeps_those_whom_the_split_puts_in_it),
        cmocka_unit_test(groups_are_told_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
