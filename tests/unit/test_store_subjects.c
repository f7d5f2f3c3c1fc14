/* Lock-out of a subject: which tries may be made, what counts, what is kept. */
#include "folder.h"
#include "model/store/subjects.h"

#include <sqlite3.h>
#include <sys/stat.h>

enum { WAIT_S = 30, FREE = 5, MOST = 50 };
static const char ALICE[] = "alice", BOB[] = "bob";

struct fixture {
    struct folder folder;
    struct subjects *subjects;
};

static uint64_t now_ms = 1000000000000;
static uint64_t tell_now(void) { return now_ms; }
static void pass_s(uint64_t s) { now_ms += s * 1000; }

static struct subjects_options options_of(const struct folder *folder) {
    struct subjects_options options = SUBJECTS_OPTIONS_DEFAULT;
    options.folder = folder->path;
    options.now_ms = tell_now;
    return options;
}

static struct subjects *open_with(const struct subjects_options *options) {
    struct subjects *subjects;
    struct error err = {""};
    if (subjects_open(options, &subjects, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return subjects;
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->folder = folder_create();
    const struct subjects_options options = options_of(&fixture->folder);
    fixture->subjects = open_with(&options);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    subjects_close(fixture->subjects);
    folder_remove(&fixture->folder);
    free(fixture);
    return 0;
}

static void assert_ok(enum status status, const struct error *err) {
    if (status != STATUS_OK)
        fail_msg("%s: %s", status_code(status), err->detail);
}

/* ---- one change each ---- */

static enum status try_request(struct subjects *subjects, const char *subject, const char *request,
                               struct subject_try *made, unsigned *wait_s) {
    uint8_t digest[SUBJECT_REQUEST_BYTES] = {0};
    struct error err = {""};
    unsigned wait = 0;
    if (request)
        memcpy(digest, request, strlen(request));
    assert_ok(subjects_begin(subjects, false, &err), &err);
    enum status status = subjects_try(subjects, subject, strlen(subject), request ? digest : NULL,
                                      made, &wait, &err);
    assert_ok(subjects_end(subjects, STATUS_OK, &err), &err);
    if (wait_s)
        *wait_s = wait;
    return status;
}

static enum status try_subject(struct subjects *subjects, const char *subject,
                               struct subject_try *made) {
    return try_request(subjects, subject, NULL, made, NULL);
}

static void decide(struct subjects *subjects, const struct subject_try *made,
                   enum subject_outcome outcome) {
    struct error err = {""};
    unsigned refusals;
    assert_ok(subjects_begin(subjects, outcome == SUBJECT_REFUSED, &err), &err);
    assert_ok(subjects_decide(subjects, made, outcome, &refusals, &err), &err);
    assert_ok(subjects_end(subjects, STATUS_OK, &err), &err);
}

static void end_with(struct subjects *subjects, const char *subject, enum subject_outcome outcome) {
    struct subject_try made;
    assert_int_equal(try_subject(subjects, subject, &made), STATUS_OK);
    decide(subjects, &made, outcome);
}

/* So many refusals in a row, as fast as they can be. */
static void refuse(struct subjects *subjects, const char *subject, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        struct subject_try made;
        if (try_subject(subjects, subject, &made) == STATUS_SUBJECT_LOCKED) {
            pass_s(WAIT_S);
            assert_int_equal(try_subject(subjects, subject, &made), STATUS_OK);
        }
        decide(subjects, &made, SUBJECT_REFUSED);
    }
}

static struct subject_state look(struct subjects *subjects, const char *subject) {
    struct subject_state state;
    struct error err = {""};
    assert_ok(subjects_begin(subjects, false, &err), &err);
    assert_ok(subjects_look(subjects, subject, strlen(subject), &state, &err), &err);
    assert_ok(subjects_end(subjects, STATUS_OK, &err), &err);
    return state;
}

static struct subject_state lift(struct subjects *subjects, const char *subject) {
    struct subject_state state;
    struct error err = {""};
    assert_ok(subjects_begin(subjects, true, &err), &err);
    assert_ok(subjects_lift(subjects, subject, strlen(subject), &state, &err), &err);
    assert_ok(subjects_end(subjects, STATUS_OK, &err), &err);
    return state;
}

static void sweep(struct subjects *subjects) {
    struct error err = {""};
    assert_ok(subjects_begin(subjects, false, &err), &err);
    assert_ok(subjects_sweep(subjects, &err), &err);
    assert_ok(subjects_end(subjects, STATUS_OK, &err), &err);
}

/* ---- what counts ---- */

static void five_refusals_in_a_row_make_each_further_try_wait(void **state) {
    struct subjects *subjects = ((struct fixture *)*state)->subjects;
    struct subject_try made;
    unsigned wait_s;
    for (int i = 0; i < FREE; i++)
        end_with(subjects, ALICE, SUBJECT_REFUSED);
    assert_int_equal(try_request(subjects, ALICE, NULL, &made, &wait_s), STATUS_SUBJECT_LOCKED);
    assert_int_equal(wait_s, WAIT_S);
    pass_s(WAIT_S - 1);
    assert_int_equal(try_request(subjects, ALICE, NULL, &made, &wait_s), STATUS_SUBJECT_LOCKED);
    assert_int_equal(wait_s, 1);
    pass_s(1);
    end_with(subjects, ALICE, SUBJECT_REFUSED);
    assert_int_equal(try_request(subjects, ALICE, NULL, &made, &wait_s), STATUS_SUBJECT_LOCKED);
    assert_int_equal(wait_s, WAIT_S);
}

static void one_subject_is_not_another(void **state) {
    struct subjects *subjects = ((struct fixture *)*state)->subjects;
    refuse(subjects, ALICE, FREE);
    end_with(subjects, BOB, SUBJECT_MATCHED);
    assert_int_equal(look(subjects, ALICE).refusals, FREE);
    assert_int_equal(look(subjects, BOB).refusals, 0);
}

static void fifty_refusals_in_a_row_disable_until_somebody_lifts_it(void **state) {
    struct subjects *subjects = ((struct fixture *)*state)->subjects;
    struct subject_try made;
    refuse(subjects, ALICE, MOST - 1);
    assert_false(look(subjects, ALICE).disabled);
    refuse(subjects, ALICE, 1);
    pass_s(UINT64_C(10) * 365 * 24 * 3600);
    sweep(subjects);
    assert_int_equal(try_subject(subjects, ALICE, &made), STATUS_SUBJECT_DISABLED);
    assert_true(look(subjects, ALICE).disabled);
    struct subject_state was = lift(subjects, ALICE);
    assert_true(was.disabled && was.refusals == MOST);
    assert_int_equal(look(subjects, ALICE).refusals, 0);
    end_with(subjects, ALICE, SUBJECT_REFUSED);
}

static void a_match_makes_refusals_forgotten(void **state) {
    struct subjects *subjects = ((struct fixture *)*state)->subjects;
    refuse(subjects, ALICE, FREE + 1);
    pass_s(WAIT_S);
    end_with(subjects, ALICE, SUBJECT_MATCHED);
    for (int i = 0; i < FREE; i++)
        end_with(subjects, ALICE, SUBJECT_REFUSED);
    assert_int_equal(look(subjects, ALICE).refusals, FREE);
}

static void what_ends_without_a_decision_has_not_happened(void **state) {
    struct subjects *subjects = ((struct fixture *)*state)->subjects;
    for (int i = 0; i < 3 * FREE; i++)
        end_with(subjects, ALICE, SUBJECT_UNDECIDED);
    refuse(subjects, ALICE, FREE);
    pass_s(WAIT_S);
    end_with(subjects, ALICE, SUBJECT_UNDECIDED);
    end_with(subjects, ALICE, SUBJECT_UNDECIDED); /* without a wait between */
    assert_int_equal(look(subjects, ALICE).refusals, FREE);
}

/* ---- side by side ---- */

static void tries_side_by_side_are_no_more_than_one_after_the_other(void **state) {
    struct subjects *subjects = ((struct fixture *)*state)->subjects;
    struct subject_try made[FREE], more;
    unsigned wait_s;
    for (int i = 0; i < FREE; i++)
        assert_int_equal(try_subject(subjects, ALICE, &made[i]), STATUS_OK);
    assert_int_equal(try_request(subjects, ALICE, NULL, &more, &wait_s), STATUS_SUBJECT_LOCKED);
    assert_int_equal(wait_s, 1); /* they may match yet */
    for (int i = 0; i < FREE; i++)
        decide(subjects, &made[i], SUBJECT_REFUSED);
    assert_int_equal(try_request(subjects, ALICE, NULL, &more, &wait_s), STATUS_SUBJECT_LOCKED);
    assert_int_equal(wait_s, WAIT_S);
}

static void a_locked_subject_has_one_try_at_a_time(void **state) {
    struct subjects *subjects = ((struct fixture *)*state)->subjects;
    struct subject_try made, more;
    refuse(subjects, ALICE, FREE);
    pass_s(WAIT_S);
    assert_int_equal(try_subject(subjects, ALICE, &made), STATUS_OK);
    assert_int_equal(try_subject(subjects, ALICE, &more), STATUS_SUBJECT_LOCKED);
    pass_s(SUBJECT_TRY_MS_MAX / 1000 - 1);
    assert_int_equal(try_subject(subjects, ALICE, &more), STATUS_SUBJECT_LOCKED);
    decide(subjects, &made, SUBJECT_MATCHED);
    assert_int_equal(try_subject(subjects, ALICE, &more), STATUS_OK);
}

static void a_try_of_a_killed_process_counts_for_a_while(void **state) {
    struct fixture *fixture = *state;
    struct subject_try made;
    for (int i = 0; i < FREE; i++)
        assert_int_equal(try_subject(fixture->subjects, ALICE, &made), STATUS_OK);
    subjects_close(fixture->subjects);
    const struct subjects_options options = options_of(&fixture->folder);
    fixture->subjects = open_with(&options);
    assert_int_equal(try_subject(fixture->subjects, ALICE, &made), STATUS_SUBJECT_LOCKED);
    pass_s(SUBJECT_TRY_MS_MAX / 1000);
    assert_int_equal(try_subject(fixture->subjects, ALICE, &made), STATUS_OK);
}

static void a_refusal_that_comes_after_its_try_was_given_up_counts(void **state) {
    struct subjects *subjects = ((struct fixture *)*state)->subjects;
    struct subject_try made;
    assert_int_equal(try_subject(subjects, ALICE, &made), STATUS_OK);
    pass_s(SUBJECT_RETRY_MS / 1000 + 1);
    sweep(subjects);
    decide(subjects, &made, SUBJECT_REFUSED);
    assert_int_equal(look(subjects, ALICE).refusals, 1);
}

static void a_late_match_does_not_lift_what_only_an_operator_may(void **state) {
    struct subjects *subjects = ((struct fixture *)*state)->subjects;
    struct subject_try made;
    assert_int_equal(try_subject(subjects, ALICE, &made), STATUS_OK);
    pass_s(SUBJECT_RETRY_MS / 1000 + 1);
    sweep(subjects);
    refuse(subjects, ALICE, MOST);
    decide(subjects, &made, SUBJECT_MATCHED);
    assert_true(look(subjects, ALICE).disabled);
}

/* ---- retries ---- */

static void a_retry_counts_once_and_is_let_through(void **state) {
    struct subjects *subjects = ((struct fixture *)*state)->subjects;
    struct subject_try made;
    refuse(subjects, ALICE, FREE - 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(try_request(subjects, ALICE, "one", &made, NULL), STATUS_OK);
        assert_int_equal(made.is_retry, i > 0);
        decide(subjects, &made, SUBJECT_REFUSED);
    }
    assert_int_equal(look(subjects, ALICE).refusals, FREE);
    assert_int_equal(try_request(subjects, ALICE, "two", &made, NULL), STATUS_SUBJECT_LOCKED);
}

static void a_retry_beside_its_first_is_one_try(void **state) {
    struct subjects *subjects = ((struct fixture *)*state)->subjects;
    struct subject_try first, second;
    assert_int_equal(try_request(subjects, ALICE, "one", &first, NULL), STATUS_OK);
    assert_int_equal(try_request(subjects, ALICE, "one", &second, NULL), STATUS_OK);
    decide(subjects, &first, SUBJECT_UNDECIDED); /* its client left */
    decide(subjects, &second, SUBJECT_REFUSED);
    assert_int_equal(look(subjects, ALICE).refusals, 1);
    assert_int_equal(try_request(subjects, ALICE, "two", &first, NULL), STATUS_OK);
    assert_int_equal(try_request(subjects, ALICE, "two", &second, NULL), STATUS_OK);
    decide(subjects, &first, SUBJECT_REFUSED);
    decide(subjects, &second, SUBJECT_REFUSED);
    assert_int_equal(look(subjects, ALICE).refusals, 2);
}

static void what_was_not_decided_is_tried_anew(void **state) {
    struct subjects *subjects = ((struct fixture *)*state)->subjects;
    struct subject_try made;
    assert_int_equal(try_request(subjects, ALICE, "one", &made, NULL), STATUS_OK);
    decide(subjects, &made, SUBJECT_UNDECIDED);
    assert_int_equal(try_request(subjects, ALICE, "one", &made, NULL), STATUS_OK);
    assert_false(made.is_retry);
    decide(subjects, &made, SUBJECT_REFUSED);
    assert_int_equal(look(subjects, ALICE).refusals, 1);
}

static void a_retried_match_forgets_nothing_more(void **state) {
    struct subjects *subjects = ((struct fixture *)*state)->subjects;
    struct subject_try made;
    assert_int_equal(try_request(subjects, ALICE, "match", &made, NULL), STATUS_OK);
    decide(subjects, &made, SUBJECT_MATCHED);
    refuse(subjects, ALICE, FREE);
    assert_int_equal(try_request(subjects, ALICE, "match", &made, NULL), STATUS_OK);
    decide(subjects, &made, SUBJECT_MATCHED);
    assert_int_equal(look(subjects, ALICE).refusals, FREE);
}

static void the_same_request_of_another_subject_is_no_retry(void **state) {
    struct subjects *subjects = ((struct fixture *)*state)->subjects;
    struct subject_try made;
    assert_int_equal(try_request(subjects, ALICE, "one", &made, NULL), STATUS_OK);
    decide(subjects, &made, SUBJECT_REFUSED);
    assert_int_equal(try_request(subjects, BOB, "one", &made, NULL), STATUS_OK);
    decide(subjects, &made, SUBJECT_REFUSED);
    assert_int_equal(look(subjects, BOB).refusals, 1);
}

static void a_retry_is_told_for_ten_minutes(void **state) {
    struct subjects *subjects = ((struct fixture *)*state)->subjects;
    struct subject_try made;
    assert_int_equal(try_request(subjects, ALICE, "one", &made, NULL), STATUS_OK);
    decide(subjects, &made, SUBJECT_REFUSED);
    pass_s(SUBJECT_RETRY_MS / 1000);
    assert_int_equal(try_request(subjects, ALICE, "one", &made, NULL), STATUS_OK);
    assert_false(made.is_retry);
}

static void a_retry_opens_nothing_for_a_disabled_subject(void **state) {
    struct subjects *subjects = ((struct fixture *)*state)->subjects;
    struct subject_try made;
    refuse(subjects, ALICE, MOST - 1);
    pass_s(WAIT_S);
    assert_int_equal(try_request(subjects, ALICE, "last", &made, NULL), STATUS_OK);
    decide(subjects, &made, SUBJECT_REFUSED);
    assert_int_equal(try_request(subjects, ALICE, "last", &made, NULL), STATUS_SUBJECT_DISABLED);
}

/* ---- what is kept ---- */

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

#define subject_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        subject_test(five_refusals_in_a_row_make_each_further_try_wait),
        subject_test(one_subject_is_not_another),
        subject_test(fifty_refusals_in_a_row_disable_until_somebody_lifts_it),
        subject_test(a_match_makes_refusals_forgotten),
        subject_test(what_ends_without_a_decision_has_not_happened),
        subject_test(tries_side_by_side_are_no_more_than_one_after_the_other),
        subject_test(a_locked_subject_has_one_try_at_a_time),
        subject_test(a_try_of_a_killed_process_counts_for_a_while),
        subject_test(a_refusal_that_comes_after_its_try_was_given_up_counts),
        subject_test(a_late_match_does_not_lift_what_only_an_operator_may),
        subject_test(a_retry_counts_once_and_is_let_through),
        subject_test(a_retry_beside_its_first_is_one_try),
        subject_test(what_was_not_decided_is_tried_anew),
        subject_test(a_retried_match_forgets_nothing_more),
        subject_test(the_same_request_of_another_subject_is_no_retry),
        subject_test(a_retry_is_told_for_ten_minutes),
        subject_test(a_retry_opens_nothing_for_a_disabled_subject),
        subject_test(counts_survive_and_are_shared),
        subject_test(nothing_is_left_of_tries_whose_retry_could_not_be_told),
        subject_test(a_refusal_is_forgotten_when_it_is_old_enough),
        subject_test(those_refused_longest_ago_make_room),
        subject_test(a_clock_that_was_set_back_locks_nobody_for_long),
        subject_test(the_file_holds_no_subject_and_is_its_owners_alone),
        subject_test(another_key_than_that_of_the_hashes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
