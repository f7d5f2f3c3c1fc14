/* Whether to go on, asked by whatever computes for long after each piece of it: a second or a few
 * on a slow machine, never minutes, since being asked is the sign of life of who computes
 * (model/trainer/watch.h). What has been computed by then is not kept. */
#ifndef FACEPAIR_MODEL_GO_ON_H
#define FACEPAIR_MODEL_GO_ON_H

#include <stdbool.h>
#include <stddef.h>

struct go_on {
    /* On any thread that computes, never on two at once. False ends it all with STATUS_DRAINING.
     * NULL: go on. */
    bool (*ask)(void *context);
    void *context;
};

static inline bool go_on_ask(const struct go_on *go_on) {
    return go_on->ask == NULL || go_on->ask(go_on->context);
}

#endif
