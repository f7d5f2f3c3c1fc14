#include "server/http/tls.h"

#include "server/http/connection.h"
#include "server/secret_file.h"
#include "server/wipe.h"

#include <assert.h>
#include <gnutls/gnutls.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

struct tls {
    gnutls_certificate_credentials_t credentials;
    unsigned holders;
};

/* ---- files ---- */

static enum status load_pair(struct tls *tls, const struct tls_files *files, struct error *err) {
    int failure = gnutls_certificate_set_x509_key_file2(tls->credentials, files->certificate,
                                                        files->key, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (failure >= 0)
        return STATUS_OK;
    return error_set(err, STATUS_INTERNAL, "%.90s with the key %.90s: %.60s", files->certificate,
                     files->key, gnutls_strerror(failure));
}

static enum status load_client_ca(struct tls *tls, const char *path, struct error *err) {
    int count = gnutls_certificate_set_x509_trust_file(tls->credentials, path, GNUTLS_X509_FMT_PEM);
    if (count > 0)
        return STATUS_OK;
    return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", path,
                     count == 0 ? "holds no certificate" : gnutls_strerror(count));
}

enum status tls_read(const struct tls_files *files, struct tls **out, struct error *err) {
    enum status status = secret_file_check(files->key, err);
    if (status != STATUS_OK)
        return status;
    struct tls *tls = calloc(1, sizeof *tls);
    if (!tls || gnutls_certificate_allocate_credentials(&tls->credentials) != GNUTLS_E_SUCCESS) {
        free(tls);
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    }
    tls->holders = 1;
    status = load_pair(tls, files, err);
    if (status == STATUS_OK && files->client_ca)
        status = load_client_ca(tls, files->client_ca, err);
    if (status == STATUS_OK)
        *out = tls;
    else
        tls_release(tls);
    return status;
}

/* ---- holders ---- */

struct tls *tls_acquire(struct tls *tls) {
    if (tls)
        tls->holders++;
    return tls;
}

void tls_release(struct tls *tls) {
    if (!tls)
        return;
    assert(tls->holders > 0);
    if (--tls->holders > 0)
        return;
    gnutls_certificate_free_credentials(tls->credentials);
    free(tls);
}

/* ---- connections ---- */

gnutls_session_t tls_session(const struct connection *connection) {
    return MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)
        ->tls_session;
}

/* libmicrohttpd has made the session; what it is to be done with is the set in force. */
void tls_begin(struct connection *connection) {
    const struct http_listener *listener = connection->listener;
    gnutls_session_t session = tls_session(connection);
    connection->tls = tls_acquire(listener->tls);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, connection->tls->credentials);
    gnutls_certificate_server_set_request(
        session, listener->options.ask_client ? GNUTLS_CERT_REQUEST : GNUTLS_CERT_IGNORE);
    handshake_begin(connection, session);
}

void tls_send_last(struct connection *connection, const char *bytes, size_t size) {
    gnutls_session_t session = tls_session(connection);
    ssize_t sent;
    while (size > 0 && (sent = gnutls_record_send(session, bytes, size)) > 0) {
        bytes += sent;
        size -= (size_t)sent;
    }
    (void)gnutls_bye(session, GNUTLS_SHUT_WR);
}

/* ---- memory ---- */

/* A block that has grown leaves its old place as free() would, had it been asked. */
static void *wipe_and_realloc(void *memory, size_t size) {
    void *grown = malloc(size);
    if (grown && memory) {
        size_t had = malloc_usable_size(memory);
        memcpy(grown, memory, had < size ? had : size);
        wipe_and_free(memory);
    }
    return grown;
}

void tls_wipe_freed(void) {
    gnutls_free = wipe_and_free;
    gnutls_realloc = wipe_and_realloc;
}
