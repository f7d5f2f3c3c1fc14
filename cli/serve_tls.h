/* The certificates of `facepair serve`: read at its start, and anew at SIGHUP. */
#ifndef FACEPAIR_CLI_SERVE_TLS_H
#define FACEPAIR_CLI_SERVE_TLS_H

#include "api/service.h"
#include "cli/serve_settings.h"

/* NULL where no certificate is given. The caller releases it. STATUS_INTERNAL. */
enum status serve_tls_read(const struct serve_settings *settings, struct tls **tls,
                           struct error *err);

/* Reads the files on the disk thread, as soon as that has room, and then puts them in force on
 * those of the listeners that speak TLS. When they cannot be read, what is in force stays, and the
 * log says why. listeners: borrowed until the service ends; NULL for those that are off. Loop
 * thread. */
void serve_tls_reload(struct service *service, const struct serve_settings *settings,
                      struct http_listener *const *listeners, size_t count);

#endif
