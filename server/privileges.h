/* What a process may still become. */
#ifndef FACEPAIR_SERVER_PRIVILEGES_H
#define FACEPAIR_SERVER_PRIVILEGES_H

#include "server/status.h"

/* From root to this user, with the groups that the system lists for it, for good. Where this
 * process is that user already, nothing. Before any thread is started. STATUS_INTERNAL. */
enum status privileges_drop(const char *user, struct error *err);

/* No program that is executed from here on has more rights than its caller, whatever its file says
 * (setuid, capabilities). */
void privileges_keep_down(void);

#endif
