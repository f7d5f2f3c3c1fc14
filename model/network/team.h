/* A few threads that compute together: the caller and, asleep between calls, its helpers. */
#ifndef FACEPAIR_MODEL_NETWORK_CPU_TEAM_H
#define FACEPAIR_MODEL_NETWORK_CPU_TEAM_H

#include "server/status.h"

struct team;

/* `threads` with the caller's; at least 1. */
enum status team_create(unsigned threads, struct team **team, struct error *err);
void team_destroy(struct team *team); /* NULL is allowed */

/* Calls work(context, member) once for each member 0 ≤ member < members, each on its own thread,
 * member 0 on the caller's; returns when all have returned. members: at most the team's threads.
 * The helpers run at the caller's nice value: helpers of a nicer thread are replaced, and the work
 * of one that cannot be had is the caller's. One caller at a time. */
void team_run(struct team *team, unsigned members, void (*work)(void *context, unsigned member),
              void *context);

#endif
