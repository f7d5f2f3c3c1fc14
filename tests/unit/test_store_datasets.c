#include "store_fixture.h"

static struct store_dataset make_dataset(const char *name, const char *sha256) {
    struct store_dataset dataset = {.bytes = 3000, .files = 40};
    uid_make(UID_DATASET, dataset.id);
    snprintf(dataset.name, sizeof dataset.name, "%s", name);
    snprintf(dataset.sha256, sizeof dataset.sha256, "%s", sha256);
    snprintf(dataset.purpose, sizeof dataset.purpose, "a test");
    return dataset;
}

static void create(struct store *store, const char *name) {
    struct store_dataset dataset = make_dataset(name, "aa");
    struct error err;
    bool same;
    assert_ok(store_dataset_create(store, &dataset, &same, &err), &err);
    assert_false(same);
}

static struct store_dataset get(struct store *store, const char *name) {
    struct store_dataset dataset;
    struct error err;
    assert_ok(store_dataset_get(store, name, &dataset, &err), &err);
    return dataset;
}

static struct store_claim claim_check(struct store *store, const char *expected) {
    struct store_claim claim;
    struct store_dataset dataset;
    struct error err;
    bool claimed;
    assert_ok(store_dataset_claim(store, "runner", LEASE_MS, &claim, &dataset, &claimed, &err),
              &err);
    assert_true(claimed);
    assert_string_equal(dataset.name, expected);
    assert_string_equal(dataset.id, claim.id);
    return claim;
}

static void check(struct store *store, const char *name, enum dataset_state state) {
    struct store_claim claim = claim_check(store, name);
    const struct store_dataset outcome = {.state = state,
                                          .people = 12,
                                          .images = 40,
                                          .undecodable = 1,
                                          .error_code = "one_person",
                                          .error_message = "made up"};
    assert_int_equal(store_dataset_checked(store, &claim, &outcome, NULL), STATUS_OK);
}

static void a_new_data_set_is_validating_and_is_checked_in_its_turn(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    create(store, "second-by-name");
    create(store, "first-by-name");
    assert_int_equal(get(store, "second-by-name").state, DATASET_VALIDATING);
    check(store, "second-by-name", DATASET_READY);
    check(store, "first-by-name", DATASET_REJECTED);
    struct store_dataset ready = get(store, "second-by-name"),
                         rejected = get(store, "first-by-name");
    assert_int_equal(ready.state, DATASET_READY);
    assert_int_equal(ready.people, 12);
    assert_int_equal(ready.undecodable, 1);
    assert_true(ready.checked_ms == fixture_ms);
    assert_int_equal(rejected.state, DATASET_REJECTED);
    assert_string_equal(rejected.error_code, "one_person");
}

static void the_same_content_again_changes_nothing_and_other_content_is_refused(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    bool same;
    create(store, "people");
    check(store, "people", DATASET_READY);
    struct store_dataset again = make_dataset("people", "aa"), other = make_dataset("people", "bb");
    assert_int_equal(store_dataset_create(store, &again, &same, NULL), STATUS_OK);
    assert_true(same);
    assert_int_equal(get(store, "people").state, DATASET_READY);
    assert_int_equal(store_dataset_create(store, &other, &same, NULL), STATUS_DATASET_EXISTS);
}

static void data_sets_are_listed_by_name(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    struct store_dataset *list;
    size_t count;
    bool more;
    create(store, "b");
    create(store, "c");
    create(store, "a");
    assert_int_equal(store_dataset_list(store, NULL, 2, &list, &count, &more, NULL), STATUS_OK);
    assert_int_equal(count, 2);
    assert_true(more);
    assert_string_equal(list[0].name, "a");
    assert_string_equal(list[1].name, "b");
    free(list);
    assert_int_equal(store_dataset_list(store, "b", 2, &list, &count, &more, NULL), STATUS_OK);
    assert_int_equal(count, 1);
    assert_false(more);
    free(list);
}

static void a_job_needs_a_data_set_that_is_ready(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    struct error err;
    assert_int_equal(fixture_try_create(store, "people", id, &err), STATUS_NOT_FOUND);
    create(store, "people");
    assert_int_equal(fixture_try_create(store, "people", id, &err), STATUS_WRONG_STATE);
    check(store, "people", DATASET_READY);
    assert_int_equal(fixture_try_create(store, "people", id, &err), STATUS_OK);
    struct store_job job = fixture_get(store, id);
    assert_string_equal(job.dataset_sha256, "aa");
    store_job_release(&job);
}

static void a_data_set_in_use_can_be_neither_removed_nor_changed(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    struct error err;
    create(store, "people");
    check(store, "people", DATASET_READY);
    assert_int_equal(fixture_try_create(store, "people", id, &err), STATUS_OK);
    assert_int_equal(store_dataset_begin_delete(store, "people", NULL), STATUS_IN_USE);
    assert_int_equal(store_dataset_change(store, "people", "bb", 1, 1, NULL), STATUS_IN_USE);
    assert_int_equal(store_job_cancel(store, id, NULL), STATUS_OK);
    assert_int_equal(store_dataset_change(store, "people", "bb", 1, 1, NULL), STATUS_OK);
    assert_int_equal(get(store, "people").state, DATASET_VALIDATING);
    assert_string_equal(get(store, "people").sha256, "bb");
}

static void a_data_set_that_is_deleting_can_be_used_by_nobody_and_then_is_gone(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    struct error err;
    struct store_dataset dataset;
    create(store, "people");
    check(store, "people", DATASET_READY);
    assert_int_equal(store_dataset_begin_delete(store, "people", NULL), STATUS_OK);
    assert_int_equal(store_dataset_begin_delete(store, "people", NULL), STATUS_OK);
    assert_int_equal(fixture_try_create(store, "people", id, &err), STATUS_NOT_FOUND);
    assert_int_equal(store_dataset_end_delete(store, "people", NULL), STATUS_OK);
    assert_int_equal(store_dataset_get(store, "people", &dataset, NULL), STATUS_NOT_FOUND);
    create(store, "people");
}

static void what_is_to_be_removed_is_named(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    struct store_dataset kept = make_dataset("kept", "aa"), old = make_dataset("old", "aa");
    bool same;
    old.retain_until_ms = fixture_ms + 1000;
    kept.retain_until_ms = fixture_ms + 100000;
    assert_int_equal(store_dataset_create(store, &old, &same, NULL), STATUS_OK);
    assert_int_equal(store_dataset_create(store, &kept, &same, NULL), STATUS_OK);
    create(store, "half-removed");
    assert_int_equal(store_dataset_begin_delete(store, "half-removed", NULL), STATUS_OK);
    fixture_ms += 1000;
    char(*names)[STORE_NAME_SIZE];
    size_t count;
    assert_int_equal(store_dataset_expired(store, &names, &count, NULL), STATUS_OK);
    assert_int_equal(count, 2);
    assert_string_equal(names[0], "half-removed");
    assert_string_equal(names[1], "old");
    free(names);
}

/* ---- leases ---- */

static void a_check_that_is_lost_three_times_rejects_the_data_set(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    struct store_settled settled;
    create(store, "people");
    for (unsigned attempt = 1; attempt <= STORE_ATTEMPTS_MAX; attempt++) {
        struct store_claim claim = claim_check(store, "people");
        assert_int_equal(claim.attempt, attempt);
        fixture_ms += LEASE_MS;
        assert_int_equal(store_settle(store, NULL, &settled, NULL), STATUS_OK);
        assert_int_equal(settled.datasets, 1);
        assert_int_equal(store_dataset_renew(store, &claim, LEASE_MS, NULL), STATUS_WRONG_STATE);
    }
    struct store_dataset rejected = get(store, "people");
    assert_int_equal(rejected.state, DATASET_REJECTED);
    assert_string_equal(rejected.error_code, "attempts_exhausted");
}

static void a_check_given_back_spends_no_attempt(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    create(store, "people");
    struct store_claim claim = claim_check(store, "people");
    assert_int_equal(store_dataset_give_back(store, &claim, NULL), STATUS_OK);
    assert_int_equal(store_dataset_give_back(store, &claim, NULL), STATUS_WRONG_STATE);
    assert_int_equal(claim_check(store, "people").attempt, 1);
}

static void a_check_of_what_is_being_deleted_writes_nothing(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    const struct store_dataset outcome = {.state = DATASET_READY};
    create(store, "people");
    struct store_claim claim = claim_check(store, "people");
    assert_int_equal(store_dataset_begin_delete(store, "people", NULL), STATUS_OK);
    assert_int_equal(store_dataset_checked(store, &claim, &outcome, NULL), STATUS_WRONG_STATE);
    assert_int_equal(get(store, "people").state, DATASET_DELETING);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        store_test(a_new_data_set_is_validating_and_is_checked_in_its_turn),
        store_test(the_same_content_again_changes_nothing_and_other_content_is_refused),
        store_test(data_sets_are_listed_by_name),
        store_test(a_job_needs_a_data_set_that_is_ready),
        store_test(a_data_set_in_use_can_be_neither_removed_nor_changed),
        store_test(a_data_set_that_is_deleting_can_be_used_by_nobody_and_then_is_gone),
        store_test(what_is_to_be_removed_is_named),
        store_test(a_check_that_is_lost_three_times_rejects_the_data_set),
        store_test(a_check_given_back_spends_no_attempt),
        store_test(a_check_of_what_is_being_deleted_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
