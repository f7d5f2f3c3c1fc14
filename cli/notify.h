/* What systemd is told (sd_notify(3)): a datagram on the socket that NOTIFY_SOCKET names. Without
 * one, nothing. */
#ifndef FACEPAIR_CLI_NOTIFY_H
#define FACEPAIR_CLI_NOTIFY_H

#include <stdint.h>

struct notify {
    int fd;               /* -1: nobody listens */
    uint64_t watchdog_ms; /* a WATCHDOG=1 is due this often; 0: none is */
};

/* Takes both out of the environment, which children inherit. Before the process is confined. */
void notify_open(struct notify *notify);
void notify_say(const struct notify *notify, const char *text); /* "READY=1" */
void notify_close(struct notify *notify);

#endif
