#include "model/store/job_state.h"

#include <assert.h>
#include <string.h>

static const struct {
    const char *word;
    bool is_final;
} states[JOB_STATES_COUNT] = {
#define X(name, word, is_final) [JOB_##name] = {word, is_final},
    JOB_STATES(X)
#undef X
};

static const bool ways[JOB_STATES_COUNT][JOB_STATES_COUNT] = {
#define X(from, to) [JOB_##from][JOB_##to] = true,
    JOB_TRANSITIONS(X)
#undef X
};

const char *job_state_word(enum job_state state) {
    assert(state < JOB_STATES_COUNT);
    return states[state].word;
}

bool job_state_parse(const char *word, enum job_state *state) {
    for (unsigned i = 0; i < JOB_STATES_COUNT; i++)
        if (strcmp(word, states[i].word) == 0) {
            *state = (enum job_state)i;
            return true;
        }
    return false;
}

bool job_state_is_final(enum job_state state) {
    assert(state < JOB_STATES_COUNT);
    return states[state].is_final;
}

bool job_state_may_become(enum job_state from, enum job_state to) {
    assert(from < JOB_STATES_COUNT && to < JOB_STATES_COUNT);
    return ways[from][to];
}
