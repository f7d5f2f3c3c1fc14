#include "store_fixture.h"

static void a_new_job_waits_with_what_it_was_given(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    fixture_create(store, id);
    struct store_job job = fixture_get(store, id);
    assert_string_equal(job.id, id);
    assert_int_equal(job.kind, JOB_FINE_TUNE);
    assert_int_equal(job.state, JOB_QUEUED);
    assert_int_equal(job.attempt, 1);
    assert_true(job.created_ms == fixture_ms);
    assert_true(job.started_ms == 0 && job.finished_ms == 0);
    assert_string_equal(job.base_model, "dlib-resnet");
    assert_string_equal(job.spec, "{\"seed\":1}");
    assert_int_equal(job.promotion, PROMOTION_WISHED);
    assert_int_equal(job.epochs, 0);
    store_job_release(&job);
}

static void a_job_that_nobody_made_is_not_found(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    struct store_job job;
    char id[UID_SIZE];
    uid_make(UID_FINE_TUNE, id);
    assert_int_equal(store_job_get(store, id, &job, NULL), STATUS_NOT_FOUND);
    assert_int_equal(store_job_cancel(store, id, NULL), STATUS_NOT_FOUND);
    assert_int_equal(store_job_pause(store, id, NULL), STATUS_NOT_FOUND);
    assert_int_equal(store_job_resume(store, id, NULL), STATUS_NOT_FOUND);
    assert_int_equal(store_job_delete(store, id, NULL), STATUS_NOT_FOUND);
}

static void jobs_survive_the_process(void **state) {
    struct store_fixture *fixture = *state;
    char id[UID_SIZE];
    fixture_create(fixture->store, id);
    store_close(fixture->store);
    fixture->store = fixture_open(&fixture->folder);
    assert_state(fixture->store, id, JOB_QUEUED);
}

static void a_full_queue_takes_no_more(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    struct error err;
    for (int i = 0; i < QUEUED_MAX; i++)
        fixture_create(store, id);
    assert_int_equal(fixture_try_create(store, NULL, id, &err), STATUS_OVERLOADED);
    (void)fixture_claim(store);
    assert_int_equal(fixture_try_create(store, NULL, id, &err), STATUS_OK);
}

/* ---- idempotency ---- */

static enum status create_once(struct store *store, const char *key, const char *body,
                               const char *answer, char **first) {
    char id[UID_SIZE];
    uid_make(UID_FINE_TUNE, id);
    const struct store_new_job job = {.id = id,
                                      .created_ms = fixture_ms,
                                      .base_model = "m",
                                      .base_version = "1",
                                      .spec = "{}",
                                      .queued_max = QUEUED_MAX};
    const struct store_once once = {"caller", "POST /fine-tunes", key, body, answer};
    return store_job_create(store, &job, &once, first, NULL);
}

static size_t queued(struct store *store) {
    size_t counts[JOB_KINDS_COUNT][JOB_STATES_COUNT];
    struct error err;
    assert_ok(store_job_count(store, counts, &err), &err);
    return counts[JOB_FINE_TUNE][JOB_QUEUED];
}

static void a_key_that_comes_again_with_its_body_gets_the_first_answer(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char *first;
    assert_int_equal(create_once(store, "key", "body", "answer 1", &first), STATUS_OK);
    assert_null(first);
    assert_int_equal(create_once(store, "key", "body", "answer 2", &first), STATUS_OK);
    assert_string_equal(first, "answer 1");
    free(first);
    assert_int_equal(queued(store), 1);
}

static void a_key_with_another_body_is_refused(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char *first;
    assert_int_equal(create_once(store, "key", "body", "answer", &first), STATUS_OK);
    assert_int_equal(create_once(store, "key", "other", "answer", &first),
                     STATUS_IDEMPOTENCY_KEY_REUSED);
    assert_int_equal(queued(store), 1);
}

static void a_key_is_forgotten_after_a_day(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char *first;
    assert_int_equal(create_once(store, "key", "body", "answer", &first), STATUS_OK);
    fixture_ms += STORE_ONCE_MS;
    assert_int_equal(create_once(store, "key", "other", "answer", &first), STATUS_OK);
    assert_null(first);
    assert_int_equal(queued(store), 2);
}

static void a_refused_job_leaves_its_key_free(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE], *first;
    for (int i = 0; i < QUEUED_MAX; i++)
        fixture_create(store, id);
    assert_int_equal(create_once(store, "key", "body", "answer", &first), STATUS_OVERLOADED);
    (void)fixture_claim(store);
    assert_int_equal(create_once(store, "key", "other", "answer", &first), STATUS_OK);
}

/* ---- lists ---- */

static void a_list_is_newest_first_and_goes_on_behind_its_last(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    enum { JOBS = 7, PAGE = 3 };
    char ids[JOBS][UID_SIZE];
    for (int i = 0; i < JOBS; i++)
        fixture_create(store, ids[i]);
    struct store_job_filter filter = {.kind = JOB_FINE_TUNE, .limit = PAGE};
    int seen = 0;
    bool more = true;
    char after[UID_SIZE];
    while (more) {
        struct store_job *jobs;
        size_t count;
        struct error err;
        assert_ok(store_job_list(store, &filter, &jobs, &count, &more, &err), &err);
        for (size_t i = 0; i < count; i++)
            assert_string_equal(jobs[i].id, ids[JOBS - 1 - seen++]);
        memcpy(after, jobs[count - 1].id, sizeof after);
        filter.after = after;
        store_jobs_release(jobs, count);
    }
    assert_int_equal(seen, JOBS);
}

static void a_list_may_be_of_one_state_model_or_kind(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char first[UID_SIZE], second[UID_SIZE];
    fixture_create(store, first);
    fixture_create(store, second);
    (void)fixture_claim(store);
    const enum job_state running = JOB_RUNNING;
    const struct store_job_filter filters[] = {
        {.kind = JOB_FINE_TUNE, .state = &running, .limit = 10},
        {.kind = JOB_FINE_TUNE, .model = "dlib-resnet", .limit = 10},
        {.kind = JOB_FINE_TUNE, .model = "other", .limit = 10},
        {.kind = JOB_EVALUATION, .limit = 10},
        {.kind = JOB_FINE_TUNE, .dataset = "other", .limit = 10},
    };
    static const size_t expected[] = {1, 2, 0, 0, 0};
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        struct store_job *jobs;
        size_t count;
        bool more;
        struct error err;
        assert_ok(store_job_list(store, &filters[i], &jobs, &count, &more, &err), &err);
        assert_int_equal(count, expected[i]);
        assert_false(more);
        store_jobs_release(jobs, count);
    }
}

/* ---- cancel, pause, resume ---- */

static void a_waiting_job_is_cancelled_at_once(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    fixture_create(store, id);
    assert_int_equal(store_job_cancel(store, id, NULL), STATUS_OK);
    assert_state(store, id, JOB_CANCELLED);
    struct store_job job = fixture_get(store, id);
    assert_true(job.finished_ms == fixture_ms);
    assert_int_equal(job.promotion, PROMOTION_REFUSED);
    store_job_release(&job);
}

static void a_running_job_is_cancelling_until_its_runner_lets_go(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    enum store_wish wish;
    fixture_create(store, id);
    struct store_claim claim = fixture_claim(store);
    assert_int_equal(store_job_cancel(store, id, NULL), STATUS_OK);
    assert_int_equal(store_job_cancel(store, id, NULL), STATUS_OK);
    assert_state(store, id, JOB_CANCELLING);
    assert_int_equal(store_claim_wish(store, &claim, &wish, NULL), STATUS_OK);
    assert_int_equal(wish, STORE_CANCEL);
    fixture_finish(store, &claim, JOB_CANCELLED);
    assert_state(store, id, JOB_CANCELLED);
    assert_int_equal(store_job_cancel(store, id, NULL), STATUS_WRONG_STATE);
}

static void a_cancelling_job_may_still_succeed(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    fixture_create(store, id);
    struct store_claim claim = fixture_claim(store);
    assert_int_equal(store_claim_evaluating(store, &claim, NULL), STATUS_OK);
    assert_int_equal(store_job_cancel(store, id, NULL), STATUS_OK);
    fixture_finish(store, &claim, JOB_SUCCEEDED);
    assert_state(store, id, JOB_SUCCEEDED);
}

static void a_job_pauses_and_goes_on_in_the_same_attempt(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    enum store_wish wish;
    fixture_create(store, id);
    assert_int_equal(store_job_pause(store, id, NULL), STATUS_WRONG_STATE);
    struct store_claim claim = fixture_claim(store);
    assert_int_equal(store_job_pause(store, id, NULL), STATUS_OK);
    assert_int_equal(store_claim_wish(store, &claim, &wish, NULL), STATUS_OK);
    assert_int_equal(wish, STORE_PAUSE);
    fixture_ms += 5000;
    fixture_finish(store, &claim, JOB_PAUSED);
    assert_state(store, id, JOB_PAUSED);
    assert_int_equal(store_job_cancel(store, id, NULL), STATUS_WRONG_STATE);
    assert_int_equal(store_job_resume(store, id, NULL), STATUS_OK);
    struct store_claim again = fixture_claim(store);
    assert_int_equal(again.attempt, 1);
    assert_true(again.number > claim.number);
    assert_int_equal(store_claim_wish(store, &again, &wish, NULL), STATUS_OK);
    assert_int_equal(wish, STORE_GO_ON);
    struct store_job job = fixture_get(store, id);
    assert_true(job.computed_ms == 5000);
    store_job_release(&job);
}

static void a_pause_that_is_not_carried_out_yet_can_be_withdrawn(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    enum store_wish wish;
    fixture_create(store, id);
    struct store_claim claim = fixture_claim(store);
    assert_int_equal(store_job_pause(store, id, NULL), STATUS_OK);
    assert_int_equal(store_job_resume(store, id, NULL), STATUS_OK);
    assert_int_equal(store_claim_wish(store, &claim, &wish, NULL), STATUS_OK);
    assert_int_equal(wish, STORE_GO_ON);
}

static void a_cancelling_job_that_its_runner_wants_to_pause_is_cancelled(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    fixture_create(store, id);
    struct store_claim claim = fixture_claim(store);
    assert_int_equal(store_job_cancel(store, id, NULL), STATUS_OK);
    fixture_finish(store, &claim, JOB_PAUSED);
    assert_state(store, id, JOB_CANCELLED);
}

/* ---- deleting ---- */

static void write_in_directory(const struct store_fixture *fixture, const char *id) {
    char name[128];
    snprintf(name, sizeof name, "jobs/%s/checkpoint/weights", id);
    folder_write_text(&fixture->folder, name, "weights");
}

static bool has_directory(const struct store_fixture *fixture, const char *id) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/jobs/%s", fixture->folder.path, id);
    return access(path, F_OK) == 0;
}

static void a_job_is_deleted_with_its_directory_once_it_has_ended(void **state) {
    struct store_fixture *fixture = *state;
    char id[UID_SIZE];
    fixture_create(fixture->store, id);
    write_in_directory(fixture, id);
    assert_int_equal(store_job_delete(fixture->store, id, NULL), STATUS_WRONG_STATE);
    assert_true(has_directory(fixture, id));
    assert_int_equal(store_job_cancel(fixture->store, id, NULL), STATUS_OK);
    assert_int_equal(store_job_delete(fixture->store, id, NULL), STATUS_OK);
    assert_false(has_directory(fixture, id));
    assert_int_equal(store_job_delete(fixture->store, id, NULL), STATUS_NOT_FOUND);
    struct store_event *events;
    size_t count;
    bool ended;
    assert_int_equal(store_events(fixture->store, id, 0, 10, &events, &count, &ended, NULL),
                     STATUS_NOT_FOUND);
}

static void a_job_that_another_resumes_from_stays(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char first[UID_SIZE], second[UID_SIZE], *answer;
    fixture_create(store, first);
    uid_make(UID_FINE_TUNE, second);
    const struct store_new_job job = {.id = second,
                                      .base_model = "m",
                                      .base_version = "1",
                                      .resume_from = first,
                                      .spec = "{}",
                                      .queued_max = QUEUED_MAX};
    assert_int_equal(store_job_create(store, &job, NULL, &answer, NULL), STATUS_WRONG_STATE);
    assert_int_equal(store_job_cancel(store, first, NULL), STATUS_OK);
    assert_int_equal(store_job_create(store, &job, NULL, &answer, NULL), STATUS_OK);
    assert_int_equal(store_job_delete(store, first, NULL), STATUS_IN_USE);
    assert_int_equal(store_job_cancel(store, second, NULL), STATUS_OK);
    assert_int_equal(store_job_delete(store, first, NULL), STATUS_OK);
}

static void old_jobs_and_strays_are_removed(void **state) {
    struct store_fixture *fixture = *state;
    char old[UID_SIZE], young[UID_SIZE], waiting[UID_SIZE], stray[UID_SIZE];
    size_t deleted;
    struct error err;
    uid_make(UID_FINE_TUNE, stray);
    fixture_create(fixture->store, old);
    fixture_create(fixture->store, waiting);
    write_in_directory(fixture, old);
    write_in_directory(fixture, waiting);
    write_in_directory(fixture, stray);
    assert_int_equal(store_job_cancel(fixture->store, old, NULL), STATUS_OK);
    fixture_ms += 1000;
    fixture_create(fixture->store, young);
    assert_int_equal(store_job_cancel(fixture->store, young, NULL), STATUS_OK);
    assert_ok(store_jobs_expire(fixture->store, 1000, 10, &deleted, &err), &err);
    assert_int_equal(deleted, 1);
    assert_false(has_directory(fixture, old));
    assert_false(has_directory(fixture, stray));
    assert_true(has_directory(fixture, waiting));
    assert_state(fixture->store, young, JOB_CANCELLED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        store_test(a_new_job_waits_with_what_it_was_given),
        store_test(a_job_that_nobody_made_is_not_found),
        store_test(jobs_survive_the_process),
        store_test(a_full_queue_takes_no_more),
        store_test(a_key_that_comes_again_with_its_body_gets_the_first_answer),
        store_test(a_key_with_another_body_is_refused),
        store_test(a_key_is_forgotten_after_a_day),
        store_test(a_refused_job_leaves_its_key_free),
        store_test(a_list_is_newest_first_and_goes_on_behind_its_last),
        store_test(a_list_may_be_of_one_state_model_or_kind),
        store_test(a_waiting_job_is_cancelled_at_once),
        store_test(a_running_job_is_cancelling_until_its_runner_lets_go),
        store_test(a_cancelling_job_may_still_succeed),
        store_test(a_job_pauses_and_goes_on_in_the_same_attempt),
        store_test(a_pause_that_is_not_carried_out_yet_can_be_withdrawn),
        store_test(a_cancelling_job_that_its_runner_wants_to_pause_is_cancelled),
        store_test(a_job_is_deleted_with_its_directory_once_it_has_ended),
        store_test(a_job_that_another_resumes_from_stays),
        store_test(old_jobs_and_strays_are_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
