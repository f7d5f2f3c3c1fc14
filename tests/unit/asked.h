/* Counts how often a long computation asks whether to go on, and ends it. */
#ifndef FACEPAIR_TESTS_UNIT_ASKED_H
#define FACEPAIR_TESTS_UNIT_ASKED_H

#include "model/go_on.h"

#include <stdint.h>

struct asked {
    uint64_t times, ends_at; /* ends_at: the answer from here on is no; 0: never */
};

static inline bool asked_answer(void *context) {
    struct asked *asked = context;
    asked->times++;
    return asked->ends_at == 0 || asked->times < asked->ends_at;
}

static inline struct go_on asked_go_on(struct asked *asked) {
    return (struct go_on){asked_answer, asked};
}

#endif
