/* Mutual TLS. The handshake asks for the client's certificate and lets everybody through, with one
 * or without: probes need none, and who is refused learns why from an answer instead of a broken
 * connection. What it is worth is decided here, from the header alone, once for a connection. */
#include "server/http/connection.h"

#include "server/utf8.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PEER_HASH_BYTES = 8 };

static enum status verify(gnutls_session_t session, struct error *err) {
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                     .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT};
    unsigned found = 0;
    int failure = gnutls_certificate_verify_peers(session, &purpose, 1, &found);
    if (failure == GNUTLS_E_SUCCESS && found == 0)
        return STATUS_OK;
    const char *why = failure != GNUTLS_E_SUCCESS              ? "it cannot be read"
                      : found & GNUTLS_CERT_EXPIRED            ? "it has expired"
                      : found & GNUTLS_CERT_NOT_ACTIVATED      ? "it is not valid yet"
                      : found & GNUTLS_CERT_PURPOSE_MISMATCH   ? "it is not for clients"
                      : found & GNUTLS_CERT_INSECURE_ALGORITHM ? "its algorithm is too weak"
                                                               : "its issuer is not known here";
    return error_set(err, STATUS_INSUFFICIENT_SCOPE, "The client certificate is not accepted: %s.",
                     why);
}

/* The common name, from malloc; NULL: there is none, or none that can be read. */
static char *common_name(gnutls_x509_crt_t certificate, size_t *size) {
    *size = 0;
    int outcome =
        gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, NULL, size);
    char *name = outcome == GNUTLS_E_SHORT_MEMORY_BUFFER ? malloc(*size) : NULL;
    if (name && gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name,
                                              size) == GNUTLS_E_SUCCESS)
        return name;
    free(name);
    return NULL;
}

/* The longest beginning of at most size_max bytes that cuts no character apart. */
static size_t whole_characters(const char *text, size_t size, size_t size_max) {
    size_t at = 0, step = 0;
    uint32_t code_point;
    for (; at < size; at += step) {
        step = utf8_next(text + at, size - at, &code_point);
        if (step == 0)
            step = 1;
        if (at + step > size_max)
            break;
    }
    return at;
}

/* server/http/listener.h has the form. What is cut leaves room for more '~', and no name that
 * stands as it is has that length. */
static void set_peer(const char *name, size_t size, char peer[HTTP_CALLER_SIZE]) {
    enum { LENGTH = HTTP_CALLER_SIZE - 1, BEGIN = LENGTH - 2 * PEER_HASH_BYTES };
    unsigned char hash[32];
    if (size < LENGTH) {
        memcpy(peer, name, size);
        peer[size] = '\0';
        return;
    }
    peer[0] = '\0';
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, name, size, hash) != GNUTLS_E_SUCCESS)
        return;
    memset(peer, '~', BEGIN);
    memcpy(peer, name, whole_characters(name, size, BEGIN - 1));
    for (size_t i = 0; i < PEER_HASH_BYTES; i++)
        snprintf(peer + BEGIN + 2 * i, 3, "%02x", hash[i]);
}

/* Of several certificates the first is the client's own. */
static void name_caller(struct http_request *request, const gnutls_datum_t *own) {
    gnutls_x509_crt_t certificate;
    if (gnutls_x509_crt_init(&certificate) != GNUTLS_E_SUCCESS)
        return;
    size_t size = 0;
    char *name = gnutls_x509_crt_import(certificate, own, GNUTLS_X509_FMT_DER) == GNUTLS_E_SUCCESS
                     ? common_name(certificate, &size)
                     : NULL;
    if (name)
        set_peer(name, size, request->connection->peer);
    free(name);
    gnutls_x509_crt_deinit(certificate);
}

enum status peer_check(struct http_request *request, struct error *err) {
    struct connection *connection = request->connection;
    if (!request->listener->options.ask_client)
        return STATUS_OK;
    if (!connection->peer_verified) {
        gnutls_session_t session = tls_session(connection);
        unsigned count = 0;
        const gnutls_datum_t *own = gnutls_certificate_get_peers(session, &count);
        if (!own || count == 0)
            return error_set(err, STATUS_UNAUTHORIZED, "This needs a client certificate.");
        enum status status = verify(session, err);
        if (status != STATUS_OK)
            return status;
        name_caller(request, own);
        connection->peer_verified = true;
    }
    request->certificate = connection->peer;
    return STATUS_OK;
}
