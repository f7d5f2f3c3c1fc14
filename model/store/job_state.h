/* The life of a job, in one table each for its states and for the ways between them. Nothing else
 * says which way is allowed, and the store takes no other.
 *
 *     queued -> running -> evaluating -> succeeded | failed
 *     queued, running, evaluating -> cancelling -> cancelled | succeeded | failed
 *     running -> paused -> queued
 *     running, evaluating -> queued: the lease was lost, or its runner gave it back
 *     queued -> cancelling: with no runner to wait for, it is cancelled in the same moment
 */
#ifndef FACEPAIR_MODEL_STORE_JOB_STATE_H
#define FACEPAIR_MODEL_STORE_JOB_STATE_H

#include <stdbool.h>

/* NAME, the word on disk and in answers, whether it is final */
#define JOB_STATES(X)                                                                              \
    X(QUEUED, "queued", false)                                                                     \
    X(RUNNING, "running", false)                                                                   \
    X(EVALUATING, "evaluating", false)                                                             \
    X(PAUSED, "paused", false)                                                                     \
    X(CANCELLING, "cancelling", false)                                                             \
    X(SUCCEEDED, "succeeded", true)                                                                \
    X(FAILED, "failed", true)                                                                      \
    X(CANCELLED, "cancelled", true)

#define JOB_TRANSITIONS(X)                                                                         \
    X(QUEUED, RUNNING)                                                                             \
    X(QUEUED, CANCELLING)                                                                          \
    X(RUNNING, EVALUATING)                                                                         \
    X(RUNNING, PAUSED)                                                                             \
    X(RUNNING, QUEUED)                                                                             \
    X(RUNNING, CANCELLING)                                                                         \
    X(RUNNING, FAILED)                                                                             \
    X(EVALUATING, QUEUED)                                                                          \
    X(EVALUATING, CANCELLING)                                                                      \
    X(EVALUATING, SUCCEEDED)                                                                       \
    X(EVALUATING, FAILED)                                                                          \
    X(PAUSED, QUEUED)                                                                              \
    X(CANCELLING, CANCELLED)                                                                       \
    X(CANCELLING, SUCCEEDED)                                                                       \
    X(CANCELLING, FAILED)

enum job_state {
#define X(name, word, is_final) JOB_##name,
    JOB_STATES(X)
#undef X
        JOB_STATES_COUNT
};

const char *job_state_word(enum job_state state);
bool job_state_parse(const char *word, enum job_state *state);
bool job_state_is_final(enum job_state state);
bool job_state_may_become(enum job_state from, enum job_state to);

#endif
