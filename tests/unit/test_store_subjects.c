/* Lock-out of a subject: which tries may be made, and what counts. */
#include "subjects_fixture.h"

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
