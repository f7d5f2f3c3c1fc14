/* "promote": "if_better". A job that has succeeded says whether its version is better (its false
 * non-match rate at the operating false-match rate lower, the whole interval of the difference
 * above 0, and its false-match rate not higher); the version is promoted here, as PUT …/active
 * does, if the one that it was compared with is still the active one.
 *
 * Once: the outcome is kept in the store, and a wish that has one is not looked at again. Who is
 * killed between the promotion and that note finds its own version active at the next start, and
 * notes it then.
 */
#ifndef FACEPAIR_API_WISH_H
#define FACEPAIR_API_WISH_H

#include "api/service.h"
#include "model/keeper.h"

struct wish {
    struct keeper_change change; /* to be applied by the loop; KEEPER_NOTHING: nothing */
    uint64_t again_ms;           /* when one that could not be settled is tried again */
};

/* Disk thread: decides the wish that has waited longest. */
void wish_look(struct service *service, struct wish *wish);
/* Disk thread: an operator's promotion goes into the history. */
void wish_note_promotion(struct service *service, const struct keeper_change *change,
                         const char *job);

#endif
