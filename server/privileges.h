/* What a process may still become. */
#ifndef FACEPAIR_SERVER_PRIVILEGES_H
#define FACEPAIR_SERVER_PRIVILEGES_H

#include "server/status.h"

#include <stdbool.h>

/* From root to this user, with the groups that the system lists for it, for good. Where this
 * process is that user already, nothing. Before any thread is started. STATUS_INTERNAL. */
enum status privileges_drop(const char *user, struct error *err);

/* No program that is executed from here on has more rights than its caller, whatever its file says
 * (setuid, capabilities). */
void privileges_keep_down(void);

/* Whether a crash may write a core, which would hold the photographs under way. Who was root may
 * not be dumped as it is. What is executed later may be again, until it settles this itself. Under
 * LeakSanitizer, which traces its own process, it is always allowed. */
void privileges_settle_dumps(bool allowed);
/* As it stands now. */
bool privileges_allow_dumps(void);

#endif
