/* Subjects in a folder of their own, a clock that the test sets, and one change each. */
#ifndef FACEPAIR_TESTS_SUBJECTS_FIXTURE_H
#define FACEPAIR_TESTS_SUBJECTS_FIXTURE_H

#include "folder.h"
#include "model/store/subjects.h"

enum { WAIT_S = 30, FREE = 5, MOST = 50 };
static const char ALICE[] = "alice", BOB[] = "bob";

struct fixture {
    struct folder folder;
    struct subjects *subjects;
};

static uint64_t now_ms = 1000000000000;
static inline uint64_t tell_now(void) { return now_ms; }
static inline void pass_s(uint64_t s) { now_ms += s * 1000; }

static inline struct subjects_options options_of(const struct folder *folder) {
    struct subjects_options options = SUBJECTS_OPTIONS_DEFAULT;
    options.folder = folder->path;
    options.now_ms = tell_now;
    return options;
}

static inline struct subjects *open_with(const struct subjects_options *options) {
    struct subjects *subjects;
    struct error err = {""};
    if (subjects_open(options, &subjects, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return subjects;
}

static inline int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->folder = folder_create();
    const struct subjects_options options = options_of(&fixture->folder);
    fixture->subjects = open_with(&options);
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state) {
    struct fixture *fixture = *state;
    subjects_close(fixture->subjects);
    folder_remove(&fixture->folder);
    free(fixture);
    return 0;
}

static inline void assert_ok(enum status status, const struct error *err) {
    if (status != STATUS_OK)
        fail_msg("%s: %s", status_code(status), err->detail);
}

#define subject_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* ---- one change each ---- */

static inline enum status try_request(struct subjects *subjects, const char *subject,
                                      const char *request, struct subject_try *made,
                                      unsigned *wait_s) {
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

static inline enum status try_subject(struct subjects *subjects, const char *subject,
                                      struct subject_try *made) {
    return try_request(subjects, subject, NULL, made, NULL);
}

static inline void decide(struct subjects *subjects, const struct subject_try *made,
                          enum subject_outcome outcome) {
    struct error err = {""};
    unsigned refusals;
    assert_ok(subjects_begin(subjects, outcome == SUBJECT_REFUSED, &err), &err);
    assert_ok(subjects_decide(subjects, made, outcome, &refusals, &err), &err);
    assert_ok(subjects_end(subjects, STATUS_OK, &err), &err);
}

static inline void end_with(struct subjects *subjects, const char *subject,
                            enum subject_outcome outcome) {
    struct subject_try made;
    assert_int_equal(try_subject(subjects, subject, &made), STATUS_OK);
    decide(subjects, &made, outcome);
}

/* So many refusals in a row, as fast as they can be. */
static inline void refuse(struct subjects *subjects, const char *subject, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        struct subject_try made;
        if (try_subject(subjects, subject, &made) == STATUS_SUBJECT_LOCKED) {
            pass_s(WAIT_S);
            assert_int_equal(try_subject(subjects, subject, &made), STATUS_OK);
        }
        decide(subjects, &made, SUBJECT_REFUSED);
    }
}

static inline struct subject_state look(struct subjects *subjects, const char *subject) {
    struct subject_state state;
    struct error err = {""};
    assert_ok(subjects_begin(subjects, false, &err), &err);
    assert_ok(subjects_look(subjects, subject, strlen(subject), &state, &err), &err);
    assert_ok(subjects_end(subjects, STATUS_OK, &err), &err);
    return state;
}

static inline struct subject_state lift(struct subjects *subjects, const char *subject) {
    struct subject_state state;
    struct error err = {""};
    assert_ok(subjects_begin(subjects, true, &err), &err);
    assert_ok(subjects_lift(subjects, subject, strlen(subject), &state, &err), &err);
    assert_ok(subjects_end(subjects, STATUS_OK, &err), &err);
    return state;
}

/* Whether there is more. */
static inline bool sweep(struct subjects *subjects) {
    struct error err = {""};
    bool more;
    assert_ok(subjects_begin(subjects, false, &err), &err);
    assert_ok(subjects_sweep(subjects, &more, &err), &err);
    assert_ok(subjects_end(subjects, STATUS_OK, &err), &err);
    return more;
}

#endif
