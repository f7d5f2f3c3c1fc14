/* What signals do where no loop is told of them: before it runs, behind it, and while it hangs.
 * Their handlers are the process's, and so is what one of them notes. */
#ifndef FACEPAIR_CLI_SERVE_SIGNALS_H
#define FACEPAIR_CLI_SERVE_SIGNALS_H

#include <stdbool.h>

/* While it starts: SIGTERM and SIGINT end the program, with EXIT_DONE, and a SIGHUP is noted. */
void serve_signals_begin(void);
/* One was, since. */
bool serve_signals_hung_up(void);
/* From here on SIGTERM and SIGINT end the program at once, with 128 and their number. In place of
 * libuv's handlers, which only tell the loop. */
void serve_signals_end_at_once(void);

#endif
