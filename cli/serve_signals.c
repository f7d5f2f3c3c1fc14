#include "cli/serve_signals.h"

#include "cli/options.h"

#include <signal.h>
#include <unistd.h>

/* Never SIG_DFL: what has no handler the kernel keeps from the first process of a container. */
static void end_by(void (*handler)(int number)) {
    const struct sigaction action = {.sa_handler = handler};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

static volatile sig_atomic_t hung_up; /* a handler has nothing else to write to */

static void note_hang_up(int number) {
    (void)number;
    hung_up = 1;
}

/* Nobody is served yet. */
static void leave_unstarted(int number) {
    (void)number;
    _exit(EXIT_DONE);
}

void serve_signals_begin(void) {
    const struct sigaction noted = {.sa_handler = note_hang_up, .sa_flags = SA_RESTART};
    sigaction(SIGHUP, &noted, NULL);
    end_by(leave_unstarted);
}

bool serve_signals_hung_up(void) { return hung_up != 0; }

static void leave_at_once(int number) { _exit(128 + number); }

void serve_signals_end_at_once(void) { end_by(leave_at_once); }
