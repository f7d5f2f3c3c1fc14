/* How many connections `facepair serve` may hold, within the files that it may open. */
#ifndef FACEPAIR_CLI_SERVE_CONNECTIONS_H
#define FACEPAIR_CLI_SERVE_CONNECTIONS_H

#include "cli/serve_settings.h"
#include "server/status.h"

enum { SIDE_LISTENERS = 2, SIDE_CONNECTIONS = 64 }; /* admin and metrics; of each */

/* *connections: of the public listener, settings->connections or as many fewer as the process may
 * have descriptors for (its soft limit is raised to what is needed; said in the log).
 * STATUS_INTERNAL: not even one. */
enum status serve_connections(const struct serve_settings *settings, unsigned *connections,
                              struct error *err);

#endif
