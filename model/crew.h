/* Lanes of work spread over threads, which ask after each piece whether to go on. */
#ifndef FACEPAIR_MODEL_CREW_H
#define FACEPAIR_MODEL_CREW_H

#include "model/go_on.h"
#include "server/status.h"

struct crew {
    unsigned threads; /* 0: one for each CPU granted */
    struct go_on go_on;
};

struct crew_shift; /* of the lanes under way */

/* Calls work(context, lane, shift) for every lane, in their order, each on one thread. Asks after
 * each whether to go on; lanes of many pieces call crew_goes_on themselves. STATUS_INTERNAL when
 * one returns false or none can be started; STATUS_DRAINING. */
enum status crew_run(const struct crew *crew, unsigned lanes,
                     bool (*work)(void *context, unsigned lane, struct crew_shift *shift),
                     void *context, struct error *err);
/* Within work, after a piece. False: the others are ending too; the lane returns true. */
bool crew_goes_on(struct crew_shift *shift);

#endif
