/* Lock-out of a subject: what is kept, for how long, and who can read it. */
#include "subjects_fixture.h"

#include <sqlite3.h>

static int64_t number_of(const struct folder *folder, const char *sql) {
    char path[PATH_MAX];
    sqlite3 *database;
    sqlite3_stmt *statement;
    snprintf(path, sizeof path, "%s/subjects.sqlite", folder->path);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(database, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return number;
}

/* Runs SQL in the file, as if so much had happened. */
static void write_rows(const struct folder *folder, const char *sql) {
    char path[PATH_MAX];
    sqlite3 *database;
    snprintf(path, sizeof path, "%s/subjects.sqlite", folder->path);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    if (sqlite3_exec(database, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(database));
    sqlite3_close(database);
}

static void counts_survive_and_are_shared(void **state) {
    struct fixture *fixture = *state;
    const struct subjects_options options = options_of(&fixture->folder);
    struct subjects *other = open_with(&options);
    refuse(fixture->subjects, ALICE, 3);
    refuse(other, ALICE, 2);
    assert_int_equal(look(fixture->subjects, ALICE).refusals, 5);
    subjects_close(other);
    other = open_with(&options);
    assert_int_equal(look(other, ALICE).refusals, 5);
    subjects_close(other);
}

static void nothing_is_left_of_tries_whose_retry_could_not_be_told(void **state) {
    struct fixture *fixture = *state;
    refuse(fixture->subjects, ALICE, 3);
    end_with(fixture->subjects, ALICE, SUBJECT_MATCHED);
    end_with(fixture->subjects, BOB, SUBJECT_UNDECIDED);
    assert_int_equal(number_of(&fixture->folder, "SELECT count(*) FROM tries"), 0);
    assert_int_equal(number_of(&fixture->folder, "SELECT count(*) FROM subjects"), 0);
}

static void a_refusal_is_forgotten_when_it_is_old_enough(void **state) {
    struct fixture *fixture = *state;
    struct subject_try made;
    refuse(fixture->subjects, ALICE, FREE + 3);
    assert_int_equal(try_request(fixture->subjects, BOB, "one", &made, NULL), STATUS_OK);
    decide(fixture->subjects, &made, SUBJECT_REFUSED);
    now_ms += options_of(&fixture->folder).keep_ms - 1000;
    sweep(fixture->subjects);
    assert_int_equal(look(fixture->subjects, ALICE).refusals, FREE + 3);
    assert_int_equal(number_of(&fixture->folder, "SELECT count(*) FROM tries"), 0);
    pass_s(2);
    sweep(fixture->subjects);
    assert_int_equal(number_of(&fixture->folder, "SELECT count(*) FROM subjects"), 0);
}

static void those_refused_longest_ago_make_room(void **state) {
    struct fixture *fixture = *state;
    struct subjects_options options = options_of(&fixture->folder);
    options.rows_max = 3;
    struct subjects *small = open_with(&options);
    char name[16];
    refuse(small, "disabled", MOST);
    for (int i = 0; i < 10; i++, pass_s(1)) {
        snprintf(name, sizeof name, "subject %d", i);
        end_with(small, name, SUBJECT_REFUSED);
    }
    sweep(small);
    assert_int_equal(number_of(&fixture->folder, "SELECT count(*) FROM subjects"), 3);
    assert_true(look(small, "disabled").disabled);
    assert_int_equal(look(small, "subject 7").refusals, 0);
    assert_int_equal(look(small, "subject 8").refusals, 1);
    subjects_close(small);
}

#define COUNT_TO(number)                                                                           \
    "WITH RECURSIVE count (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count"                      \
    " WHERE n < " #number ") "

static void a_sweep_is_a_piece_and_says_whether_there_is_more(void **state) {
    struct fixture *fixture = *state;
    static const char tries[] = "SELECT count(*) FROM tries";
    write_rows(&fixture->folder, COUNT_TO(5000) "INSERT INTO tries (subject, request, begun_ms,"
                                                " holders) SELECT 's', n, n, 0 FROM count");
    assert_true(sweep(fixture->subjects));
    int64_t left = number_of(&fixture->folder, tries);
    assert_true(left >= 2000 && left < 5000);
    for (int i = 0; i < 10 && sweep(fixture->subjects); i++)
        ;
    assert_int_equal(number_of(&fixture->folder, tries), 0);
    assert_false(sweep(fixture->subjects));
}

/* Not one of them is old enough to go for that. Where all that are too many are disabled nothing
 * can be removed, and there is no more. */
static void a_large_surplus_goes_piece_by_piece(void **state) {
    struct fixture *fixture = *state;
    static const char rows[] = "SELECT count(*) FROM subjects";
    struct subjects_options options = options_of(&fixture->folder);
    options.rows_max = 10;
    struct subjects *small = open_with(&options);
    write_rows(&fixture->folder,
               COUNT_TO(5000) "INSERT INTO subjects SELECT 'refused ' || n, 1, 9000000000000 + n"
                              " FROM count");
    write_rows(&fixture->folder,
               COUNT_TO(20) "INSERT INTO subjects SELECT 'disabled ' || n, 50, 1 FROM count");
    assert_true(sweep(small));
    int64_t left = number_of(&fixture->folder, rows);
    assert_true(left >= 2000 && left < 5000);
    for (int i = 0; i < 10 && sweep(small); i++)
        ;
    assert_int_equal(number_of(&fixture->folder, rows), 20);
    assert_false(sweep(small));
    subjects_close(small);
}

static void a_clock_that_was_set_back_locks_nobody_for_long(void **state) {
    struct subjects *subjects = ((struct fixture *)*state)->subjects;
    refuse(subjects, ALICE, FREE);
    now_ms -= 3600 * 1000;
    end_with(subjects, ALICE, SUBJECT_REFUSED);
    assert_int_equal(look(subjects, ALICE).wait_s, WAIT_S);
    now_ms += 3600 * 1000;
}

/* The file and its log, whole. */
static bool folder_holds(const struct folder *folder, const char *text) {
    static const char *const names[] = {"subjects.sqlite", "subjects.sqlite-wal"};
    bool found = false;
    for (int i = 0; i < 2; i++) {
        char path[PATH_MAX], bytes[1 << 20];
        snprintf(path, sizeof path, "%s/%s", folder->path, names[i]);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        size_t size = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        found |= memmem(bytes, size, text, strlen(text)) != NULL;
    }
    return found;
}

static void the_file_holds_no_subject_and_is_its_owners_alone(void **state) {
    struct fixture *fixture = *state;
    static const char *const names[] = {"subjects.sqlite", "subjects.sqlite-wal", "subjects.key"};
    struct subject_try made;
    refuse(fixture->subjects, "somebody@example.org", FREE);
    assert_int_equal(try_subject(fixture->subjects, "somebody", &made), STATUS_OK);
    assert_true(folder_holds(&fixture->folder, made.subject));
    assert_false(folder_holds(&fixture->folder, "somebody"));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[PATH_MAX];
        struct stat about;
        snprintf(path, sizeof path, "%s/%s", fixture->folder.path, names[i]);
        assert_int_equal(stat(path, &about), 0);
        assert_int_equal(about.st_mode & 0777, 0600);
    }
}

static void refuses_to_open_with(const struct fixture *fixture, const char *key, size_t size,
                                 int mode, const char *words) {
    char path[PATH_MAX];
    struct error err = {""};
    struct subjects *subjects = NULL;
    const struct subjects_options options = options_of(&fixture->folder);
    snprintf(path, sizeof path, "%s/subjects.key", fixture->folder.path);
    unlink(path);
    if (key) {
        folder_write(&fixture->folder, "subjects.key", key, size);
        assert_int_equal(chmod(path, (mode_t)mode), 0);
    }
    assert_int_equal(subjects_open(&options, &subjects, &err), STATUS_INTERNAL);
    if (!strstr(err.detail, words))
        fail_msg("%s", err.detail);
}

static void another_key_than_that_of_the_hashes_is_refused(void **state) {
    const struct fixture *fixture = *state;
    const char other[32] = "01234567890123456789012345678901";
    refuses_to_open_with(fixture, other, 32, 0600, "is not the key of");
    refuses_to_open_with(fixture, NULL, 0, 0, "is not the key of"); /* a new one is drawn */
    refuses_to_open_with(fixture, other, 31, 0600, "32 bytes");
    refuses_to_open_with(fixture, other, 32, 0640, "chmod 600");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        subject_test(counts_survive_and_are_shared),
        subject_test(nothing_is_left_of_tries_whose_retry_could_not_be_told),
        subject_test(a_refusal_is_forgotten_when_it_is_old_enough),
        subject_test(those_refused_longest_ago_make_room),
        subject_test(a_sweep_is_a_piece_and_says_whether_there_is_more),
        subject_test(a_large_surplus_goes_piece_by_piece),
        subject_test(a_clock_that_was_set_back_locks_nobody_for_long),
        subject_test(the_file_holds_no_subject_and_is_its_owners_alone),
        subject_test(another_key_than_that_of_the_hashes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
