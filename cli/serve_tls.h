/* The certificates of `facepair serve`: read at its start, and anew at SIGHUP. */
#ifndef FACEPAIR_CLI_SERVE_TLS_H
#define FACEPAIR_CLI_SERVE_TLS_H

#include "api/reload.h"
#include "cli/serve_settings.h"
#include "server/http/listener.h"

/* NULL where no certificate is given. The caller releases it. STATUS_INTERNAL. */
enum status serve_tls_read(const struct serve_settings *settings, struct tls **tls,
                           struct error *err);

/* What reads the files anew when it is asked to, by a thread that does nothing else, and puts them
 * in force on those of the listeners that speak TLS; untouched where no certificate is given. When
 * they cannot be read, what is in force stays, and the log says why. settings and listeners:
 * borrowed for as long; NULL for those that are off. STATUS_INTERNAL. */
enum status serve_tls_start(const struct serve_settings *settings,
                            struct http_listener *const *listeners, size_t count, struct loop *loop,
                            struct reload **reload, struct error *err);

#endif
