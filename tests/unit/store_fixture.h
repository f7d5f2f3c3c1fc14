/* A store in a folder of its own, and a clock that the test sets. */
#ifndef FACEPAIR_TESTS_STORE_FIXTURE_H
#define FACEPAIR_TESTS_STORE_FIXTURE_H

#include "folder.h"
#include "model/store/datasets.h"
#include "model/store/events.h"
#include "model/store/promotions.h"

enum { LEASE_MS = 30000, QUEUED_MAX = 100 };

struct store_fixture {
    struct folder folder;
    struct store *store;
};

static uint64_t fixture_ms = 1000000000000;
static inline uint64_t fixture_now_ms(void) { return fixture_ms; }

static inline struct store *fixture_open(const struct folder *folder) {
    const struct store_options options = {.data = folder->path, .now_ms = fixture_now_ms};
    struct store *store;
    struct error err = {""};
    if (store_open(&options, &store, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return store;
}

static inline int fixture_set_up(void **state) {
    struct store_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->folder = folder_create();
    fixture->store = fixture_open(&fixture->folder);
    *state = fixture;
    return 0;
}

static inline int fixture_tear_down(void **state) {
    struct store_fixture *fixture = *state;
    store_close(fixture->store);
    folder_remove(&fixture->folder);
    free(fixture);
    return 0;
}

#define store_test(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

static inline void assert_ok(enum status status, const struct error *err) {
    if (status != STATUS_OK)
        fail_msg("%s: %s", status_code(status), err->detail);
}

/* A job on no data set; its id is left in `id`. */
static inline enum status fixture_try_create(struct store *store, const char *dataset,
                                             char id[UID_SIZE], struct error *err) {
    char *first;
    uid_make(UID_FINE_TUNE, id);
    const struct store_new_job job = {.id = id,
                                      .created_ms = fixture_ms,
                                      .kind = JOB_FINE_TUNE,
                                      .base_model = "dlib-resnet",
                                      .base_version = "1",
                                      .dataset = dataset,
                                      .spec = "{\"seed\":1}",
                                      .promote = true,
                                      .queued_max = QUEUED_MAX};
    return store_job_create(store, &job, NULL, &first, err);
}

static inline void fixture_create(struct store *store, char id[UID_SIZE]) {
    struct error err;
    assert_ok(fixture_try_create(store, NULL, id, &err), &err);
}

/* The job that has waited longest is claimed. */
static inline struct store_claim fixture_claim(struct store *store) {
    struct store_claim claim;
    struct store_job job;
    struct error err;
    bool claimed;
    assert_ok(store_claim_job(store, "runner", LEASE_MS, &claim, &job, &claimed, &err), &err);
    assert_true(claimed);
    store_job_release(&job);
    return claim;
}

static inline struct store_job fixture_get(struct store *store, const char *id) {
    struct store_job job;
    struct error err;
    assert_ok(store_job_get(store, id, &job, &err), &err);
    return job;
}

static inline void assert_state(struct store *store, const char *id, enum job_state state) {
    struct store_job job = fixture_get(store, id);
    assert_string_equal(job_state_word(job.state), job_state_word(state));
    store_job_release(&job);
}

static inline void fixture_finish(struct store *store, const struct store_claim *claim,
                                  enum job_state state) {
    struct error err;
    const struct store_outcome outcome = {.state = state,
                                          .model = "dlib-resnet",
                                          .version = "2",
                                          .evaluation = "{}",
                                          .better = true,
                                          .error_code = "internal",
                                          .error_message = "made up"};
    assert_ok(store_claim_finish(store, claim, &outcome, &err), &err);
}

#endif
