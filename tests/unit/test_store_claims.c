#include "store_fixture.h"

#include <math.h>
#include <sys/wait.h>

static void the_job_that_has_waited_longest_is_claimed(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char first[UID_SIZE], second[UID_SIZE];
    fixture_create(store, first);
    fixture_create(store, second);
    struct store_claim claim = fixture_claim(store);
    assert_string_equal(claim.id, first);
    assert_int_equal(claim.attempt, 1);
    struct store_job job = fixture_get(store, first);
    assert_int_equal(job.state, JOB_RUNNING);
    assert_true(job.started_ms == fixture_ms);
    store_job_release(&job);
    assert_string_equal(fixture_claim(store).id, second);
}

static void nothing_is_claimed_where_nothing_waits(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    struct store_claim claim;
    struct store_job job;
    struct error err;
    bool claimed = true;
    assert_ok(store_claim_job(store, "runner", LEASE_MS, &claim, &job, &claimed, &err), &err);
    assert_false(claimed);
}

static void what_a_runner_tells_is_in_the_job_and_in_its_events(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    fixture_create(store, id);
    struct store_claim claim = fixture_claim(store);
    const struct store_checkpoint checkpoint = {
        .epoch = 1, .step = 4, .file = "checkpoint", .bytes = 99, .validation_loss = NAN};
    assert_int_equal(store_claim_progress(store, &claim, 1, 3, 80, 12.5, NULL), STATUS_OK);
    assert_int_equal(store_claim_metrics(store, &claim, 1, 0.5, 0.25, 1, 0.25, NULL), STATUS_OK);
    for (int again = 0; again < 2; again++)
        assert_int_equal(store_claim_metrics(store, &claim, 1, 0.75, 0.125, 1, 0.125, NULL),
                         STATUS_OK);
    assert_int_equal(store_claim_checkpoint(store, &claim, &checkpoint, NULL), STATUS_OK);
    assert_int_equal(store_claim_log(store, &claim, "a \"line\"", NULL), STATUS_OK);

    struct store_job job = fixture_get(store, id);
    assert_int_equal(job.progress.step, 3);
    assert_int_equal(job.progress.steps, 80);
    assert_true(job.progress.eta_s == 12.5);
    assert_int_equal(job.epochs, 1);
    assert_true(job.train_loss[0] == 0.75 && job.validation_loss[0] == 0.125);
    assert_int_equal(job.best.epoch, 1);
    store_job_release(&job);

    static const char *const expected[][2] = {
        {"state", "{\"status\":\"queued\",\"attempt\":1}"},
        {"state", "{\"status\":\"running\",\"attempt\":1}"},
        {"progress", "{\"epoch\":1,\"step\":3,\"steps\":80,\"eta_s\":12.5}"},
        {"metrics", "{\"epoch\":1,\"train_loss\":0.5,\"validation_loss\":0.25,\"best\":"
                    "{\"epoch\":1,\"validation_loss\":0.25}}"},
        {"metrics", "{\"epoch\":1,\"train_loss\":0.75,\"validation_loss\":0.125,\"best\":"
                    "{\"epoch\":1,\"validation_loss\":0.125}}"},
        {"checkpoint", "{\"epoch\":1,\"step\":4,\"bytes\":99,\"validation_loss\":null}"},
        {"log", "{\"text\":\"a \\\"line\\\"\"}"},
    };
    struct store_event *events;
    size_t count;
    bool ended;
    struct error err;
    assert_ok(store_events(store, id, 0, 100, &events, &count, &ended, &err), &err);
    assert_int_equal(count, sizeof expected / sizeof expected[0]);
    assert_false(ended);
    for (size_t i = 0; i < count; i++) {
        assert_true(events[i].number == i + 1);
        assert_string_equal(event_type_word(events[i].type), expected[i][0]);
        assert_string_equal(events[i].data, expected[i][1]);
    }
    store_events_release(events, count);

    struct store_checkpoint *checkpoints;
    assert_ok(store_checkpoints(store, id, &checkpoints, &count, &err), &err);
    assert_int_equal(count, 1);
    assert_string_equal(checkpoints[0].file, "checkpoint");
    assert_true(isnan(checkpoints[0].validation_loss));
    free(checkpoints);
}

static void what_fails_hands_out_nothing(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    struct store_event *events = (struct store_event *)(uintptr_t)1;
    struct store_checkpoint *checkpoints = (struct store_checkpoint *)(uintptr_t)1;
    size_t count = 1;
    bool ended;
    struct error err;
    const char *nobody = "ft_01890a5d-ac96-774b-bcce-b302099a8057";
    assert_int_equal(store_events(store, nobody, 0, 100, &events, &count, &ended, &err),
                     STATUS_NOT_FOUND);
    assert_true(events == NULL && count == 0);
    assert_int_equal(store_checkpoints(store, nobody, &checkpoints, &count, &err),
                     STATUS_NOT_FOUND);
    assert_null(checkpoints);
}

static void events_come_in_pages_and_end_with_the_job(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    fixture_create(store, id);
    struct store_claim claim = fixture_claim(store);
    fixture_finish(store, &claim, JOB_FAILED);
    struct store_event *events;
    size_t count;
    bool ended;
    struct error err;
    assert_ok(store_events(store, id, 0, 2, &events, &count, &ended, &err), &err);
    assert_int_equal(count, 2);
    assert_false(ended);
    store_events_release(events, count);
    assert_ok(store_events(store, id, 2, 2, &events, &count, &ended, &err), &err);
    assert_int_equal(count, 1);
    assert_true(ended);
    assert_string_equal(events[0].data, "{\"status\":\"failed\",\"attempt\":1,\"error\":"
                                        "{\"code\":\"internal\",\"message\":\"made up\"}}");
    store_events_release(events, count);
    assert_ok(store_events(store, id, 3, 2, &events, &count, &ended, &err), &err);
    assert_int_equal(count, 0);
    assert_true(ended);
    store_events_release(events, count);
}

static void too_much_progress_gives_way_but_states_stay(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    fixture_create(store, id);
    struct store_claim claim = fixture_claim(store);
    enum { MORE = 5 };
    for (unsigned i = 0; i < STORE_EVENTS_MAX + MORE; i++) {
        struct error err;
        assert_ok(store_claim_progress(store, &claim, 1, i, 99999, 1, &err), &err);
    }
    struct store_event *events;
    size_t count;
    bool ended;
    struct error err;
    assert_ok(store_events(store, id, 0, 3, &events, &count, &ended, &err), &err);
    assert_true(events[0].number == 1 && events[1].number == 2);
    assert_true(events[2].number == 3 + MORE);
    store_events_release(events, count);
}

/* ---- leases ---- */

static void assert_lost(struct store *store, const struct store_claim *claim) {
    const struct store_outcome outcome = {.state = JOB_CANCELLED};
    const struct store_checkpoint checkpoint = {.file = "checkpoint"};
    enum store_wish wish;
    assert_int_equal(store_claim_renew(store, claim, LEASE_MS, NULL), STATUS_WRONG_STATE);
    assert_int_equal(store_claim_wish(store, claim, &wish, NULL), STATUS_WRONG_STATE);
    assert_int_equal(store_claim_progress(store, claim, 1, 1, 1, 1, NULL), STATUS_WRONG_STATE);
    assert_int_equal(store_claim_metrics(store, claim, 1, 1, 1, 1, 1, NULL), STATUS_WRONG_STATE);
    assert_int_equal(store_claim_checkpoint(store, claim, &checkpoint, NULL), STATUS_WRONG_STATE);
    assert_int_equal(store_claim_log(store, claim, "text", NULL), STATUS_WRONG_STATE);
    assert_int_equal(store_claim_evaluating(store, claim, NULL), STATUS_WRONG_STATE);
    assert_int_equal(store_claim_finish(store, claim, &outcome, NULL), STATUS_WRONG_STATE);
    assert_int_equal(store_claim_give_back(store, claim, NULL), STATUS_WRONG_STATE);
}

static void a_lease_that_is_renewed_holds_and_one_that_is_not_is_lost(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    fixture_create(store, id);
    struct store_claim claim = fixture_claim(store);
    for (int i = 0; i < 5; i++) {
        fixture_ms += LEASE_MS - 1;
        assert_int_equal(store_claim_renew(store, &claim, LEASE_MS, NULL), STATUS_OK);
    }
    fixture_ms += LEASE_MS;
    assert_lost(store, &claim);
    assert_state(store, id, JOB_RUNNING); /* nobody has looked yet */
}

static void a_lost_job_is_somebody_elses_and_the_first_runner_can_write_nothing(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    fixture_create(store, id);
    struct store_claim first = fixture_claim(store);
    fixture_ms += LEASE_MS;
    struct store_claim second = fixture_claim(store);
    assert_string_equal(second.id, id);
    assert_int_equal(second.attempt, 2);
    assert_lost(store, &first);
    assert_int_equal(store_claim_log(store, &second, "text", NULL), STATUS_OK);
}

static void the_third_lost_lease_fails_the_job(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    struct store_settled settled;
    fixture_create(store, id);
    for (unsigned attempt = 1; attempt <= STORE_ATTEMPTS_MAX; attempt++) {
        assert_int_equal(fixture_claim(store).attempt, attempt);
        fixture_ms += LEASE_MS;
        assert_int_equal(store_settle(store, NULL, &settled, NULL), STATUS_OK);
        assert_int_equal(settled.failed, attempt == STORE_ATTEMPTS_MAX);
        assert_int_equal(settled.queued, attempt < STORE_ATTEMPTS_MAX);
    }
    struct store_job job = fixture_get(store, id);
    assert_int_equal(job.state, JOB_FAILED);
    assert_string_equal(job.error.code, "attempts_exhausted");
    store_job_release(&job);
}

static void a_cancelling_job_whose_runner_is_gone_is_cancelled(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    struct store_settled settled;
    fixture_create(store, id);
    struct store_claim claim = fixture_claim(store);
    assert_int_equal(store_job_cancel(store, id, NULL), STATUS_OK);
    assert_int_equal(store_settle(store, "another", &settled, NULL), STATUS_OK);
    assert_state(store, id, JOB_CANCELLING);
    assert_int_equal(store_settle(store, "runner", &settled, NULL), STATUS_OK);
    assert_int_equal(settled.cancelled, 1);
    assert_state(store, id, JOB_CANCELLED);
    assert_lost(store, &claim);
}

static void what_a_runner_holds_is_known(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE], held[UID_SIZE];
    enum job_state how;
    fixture_create(store, id);
    assert_int_equal(store_held(store, "runner", held, &how, NULL), STATUS_OK);
    assert_string_equal(held, "");
    (void)fixture_claim(store);
    assert_int_equal(store_held(store, "runner", held, &how, NULL), STATUS_OK);
    assert_string_equal(held, id);
    assert_int_equal(how, JOB_RUNNING);
}

static void a_check_is_held_too(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    struct store_dataset dataset = {.name = "people"};
    struct store_claim claim;
    char held[UID_SIZE];
    enum job_state how;
    bool flag;
    uid_make(UID_DATASET, dataset.id);
    assert_int_equal(store_dataset_create(store, &dataset, &flag, NULL), STATUS_OK);
    assert_int_equal(store_dataset_claim(store, "runner", LEASE_MS, &claim, &dataset, &flag, NULL),
                     STATUS_OK);
    assert_int_equal(store_held(store, "runner", held, &how, NULL), STATUS_OK);
    assert_string_equal(held, dataset.id);
}

static void a_job_given_back_waits_again_in_the_same_attempt(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    fixture_create(store, id);
    struct store_claim claim = fixture_claim(store);
    assert_int_equal(store_claim_evaluating(store, &claim, NULL), STATUS_OK);
    assert_int_equal(store_claim_give_back(store, &claim, NULL), STATUS_OK);
    assert_state(store, id, JOB_QUEUED);
    assert_lost(store, &claim);
    assert_int_equal(fixture_claim(store).attempt, 1);
}

static void a_finished_job_tells_its_result_and_stays_as_it_is(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    fixture_create(store, id);
    struct store_claim claim = fixture_claim(store);
    assert_int_equal(store_claim_evaluating(store, &claim, NULL), STATUS_OK);
    fixture_finish(store, &claim, JOB_SUCCEEDED);
    assert_lost(store, &claim);
    struct store_job job = fixture_get(store, id);
    assert_int_equal(job.state, JOB_SUCCEEDED);
    assert_string_equal(job.result.model, "dlib-resnet");
    assert_string_equal(job.result.version, "2");
    assert_string_equal(job.result.evaluation, "{}");
    assert_true(job.result.better);
    assert_true(job.finished_ms == fixture_ms);
    store_job_release(&job);
    assert_int_equal(store_job_cancel(store, id, NULL), STATUS_WRONG_STATE);
    assert_int_equal(store_job_pause(store, id, NULL), STATUS_WRONG_STATE);
    assert_int_equal(store_job_resume(store, id, NULL), STATUS_WRONG_STATE);
}

static void success_without_an_evaluation_is_refused(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    fixture_create(store, id);
    struct store_claim claim = fixture_claim(store);
    const struct store_outcome outcome = {.state = JOB_SUCCEEDED};
    assert_int_equal(store_claim_finish(store, &claim, &outcome, NULL), STATUS_WRONG_STATE);
    assert_state(store, id, JOB_RUNNING);
}

/* ---- promotion ---- */

static void a_wish_is_decided_once(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[UID_SIZE];
    struct store_job job;
    bool found;
    fixture_create(store, id);
    struct store_claim claim = fixture_claim(store);
    assert_int_equal(store_wish_next(store, &job, &found, NULL), STATUS_OK);
    assert_false(found);
    assert_int_equal(store_claim_evaluating(store, &claim, NULL), STATUS_OK);
    fixture_finish(store, &claim, JOB_SUCCEEDED);
    assert_int_equal(store_wish_next(store, &job, &found, NULL), STATUS_OK);
    assert_true(found);
    assert_string_equal(job.id, id);
    store_job_release(&job);
    assert_int_equal(store_wish_settle(store, id, PROMOTION_CARRIED, "better", NULL), STATUS_OK);
    assert_int_equal(store_wish_settle(store, id, PROMOTION_REFUSED, "no", NULL),
                     STATUS_WRONG_STATE);
    assert_int_equal(store_wish_next(store, &job, &found, NULL), STATUS_OK);
    assert_false(found);
    job = fixture_get(store, id);
    assert_int_equal(job.promotion, PROMOTION_CARRIED);
    assert_string_equal(job.promotion_reason, "better");
    store_job_release(&job);
}

static void promotions_are_told_newest_first(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    struct store_promotion promotion = {.model = "a", .from = "1", .to = "2", .job = "ft_x"};
    assert_int_equal(store_promotion_note(store, &promotion, NULL), STATUS_OK);
    promotion = (struct store_promotion){.model = "a", .from = "2", .to = "1"};
    assert_int_equal(store_promotion_note(store, &promotion, NULL), STATUS_OK);
    promotion = (struct store_promotion){.model = "b", .from = "", .to = "1"};
    assert_int_equal(store_promotion_note(store, &promotion, NULL), STATUS_OK);
    struct store_promotion *list;
    size_t count;
    bool more;
    assert_int_equal(store_promotion_list(store, "a", 0, 1, &list, &count, &more, NULL), STATUS_OK);
    assert_int_equal(count, 1);
    assert_true(more);
    assert_string_equal(list[0].from, "2");
    uint64_t last = list[0].number;
    free(list);
    assert_int_equal(store_promotion_list(store, "a", last, 1, &list, &count, &more, NULL),
                     STATUS_OK);
    assert_false(more);
    assert_string_equal(list[0].job, "ft_x");
    free(list);
}

static void candidates_of_an_evaluation_set_are_counted_once_each(void **state) {
    struct store *store = ((struct store_fixture *)*state)->store;
    size_t candidates;
    static const struct {
        const char *set, *candidate;
        size_t expected;
    } uses[] = {{"s", "ft_1", 1}, {"s", "ft_2", 2}, {"s", "ft_1", 2}, {"t", "ft_1", 1}};
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        assert_int_equal(
            store_evaluation_use(store, uses[i].set, uses[i].candidate, &candidates, NULL),
            STATUS_OK);
        assert_int_equal(candidates, uses[i].expected);
    }
}

/* ---- several processes ---- */

enum { CHILDREN = 4, JOBS = 40 };

/* Claims and finishes whatever waits; returns how many. */
static int work_in_child(const struct folder *folder) {
    struct store *store;
    const struct store_options options = {.data = folder->path};
    int done = 0;
    if (store_open(&options, &store, NULL) != STATUS_OK)
        return -1;
    for (;;) {
        struct store_claim claim;
        struct store_job job;
        bool claimed;
        if (store_claim_job(store, "child", LEASE_MS, &claim, &job, &claimed, NULL) != STATUS_OK)
            return -1;
        if (!claimed)
            break;
        store_job_release(&job);
        const struct store_outcome outcome = {.state = JOB_SUCCEEDED, .model = "m", .version = "1"};
        if (store_claim_log(store, &claim, "mine", NULL) != STATUS_OK ||
            store_claim_evaluating(store, &claim, NULL) != STATUS_OK ||
            store_claim_finish(store, &claim, &outcome, NULL) != STATUS_OK)
            return -1;
        done++;
    }
    store_close(store);
    return done;
}

static void several_processes_share_the_jobs_and_none_is_run_twice(void **state) {
    struct store_fixture *fixture = *state;
    char ids[JOBS][UID_SIZE];
    pid_t children[CHILDREN];
    for (int i = 0; i < JOBS; i++)
        fixture_create(fixture->store, ids[i]);
    store_close(fixture->store); /* a handle does not survive a fork */
    for (int i = 0; i < CHILDREN; i++)
        if ((children[i] = fork()) == 0)
            _exit(work_in_child(&fixture->folder));
    int done = 0;
    for (int i = 0; i < CHILDREN; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= JOBS);
        done += WEXITSTATUS(status);
    }
    assert_int_equal(done, JOBS);
    fixture->store = fixture_open(&fixture->folder);
    for (int i = 0; i < JOBS; i++)
        assert_state(fixture->store, ids[i], JOB_SUCCEEDED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        store_test(the_job_that_has_waited_longest_is_claimed),
        store_test(nothing_is_claimed_where_nothing_waits),
        store_test(what_a_runner_tells_is_in_the_job_and_in_its_events),
        store_test(events_come_in_pages_and_end_with_the_job),
        store_test(what_fails_hands_out_nothing),
        store_test(too_much_progress_gives_way_but_states_stay),
        store_test(a_lease_that_is_renewed_holds_and_one_that_is_not_is_lost),
        store_test(a_lost_job_is_somebody_elses_and_the_first_runner_can_write_nothing),
        store_test(the_third_lost_lease_fails_the_job),
        store_test(a_cancelling_job_whose_runner_is_gone_is_cancelled),
        store_test(what_a_runner_holds_is_known),
        store_test(a_check_is_held_too),
        store_test(a_job_given_back_waits_again_in_the_same_attempt),
        store_test(a_finished_job_tells_its_result_and_stays_as_it_is),
        store_test(success_without_an_evaluation_is_refused),
        store_test(a_wish_is_decided_once),
        store_test(promotions_are_told_newest_first),
        store_test(candidates_of_an_evaluation_set_are_counted_once_each),
        store_test(several_processes_share_the_jobs_and_none_is_run_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
