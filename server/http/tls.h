/* What a listener speaks TLS with: a certificate, its key and, for mutual TLS, the authorities that
 * clients' certificates must come from.
 *
 * TLS 1.2 and 1.3 only, and of 1.2 only what keeps past sessions secret when a key is lost (ECDHE)
 * with authenticated ciphers. Nothing is resumed: every connection is a full handshake, on the loop
 * thread, which a key of ECDSA makes less than half as dear as one of RSA.
 *
 * A set is immutable. Connections hold the one that they began with, so that another one can be put
 * in force while they last (http_listener_renew). Counted without a lock: but for tls_read all of
 * it is the loop thread's.
 */
#ifndef FACEPAIR_SERVER_HTTP_TLS_H
#define FACEPAIR_SERVER_HTTP_TLS_H

#include "server/status.h"

struct tls_files {
    const char *certificate; /* PEM: the server's own first, then those that lead to its root */
    const char *key;         /* PEM, not encrypted; refused when others than owner and group may
                                read it, or others than the owner change it */
    const char *client_ca;   /* PEM; NULL: no client's certificate would be believed */
};

struct tls;

/* The caller holds it. Reads files, so not on the loop thread while that serves. STATUS_INTERNAL
 * with the file and what is wrong with it. */
enum status tls_read(const struct tls_files *files, struct tls **tls, struct error *err);
struct tls *tls_acquire(struct tls *tls); /* NULL allowed, as in the next */
void tls_release(struct tls *tls);

/* What GnuTLS frees, which held what clients sent, is overwritten from now on. For the whole
 * process, and before any listener starts. */
void tls_wipe_freed(void);

#endif
