/* Mutual TLS. The handshake asks for the client's certificate and lets everybody through, with one
 * or without: probes need none, and who is refused learns why from an answer instead of a broken
 * connection. What it is worth is decided here, from the header alone, once for a connection. */
#include "server/http/connection.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

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

/* Its common name, for the log; of several certificates the first is the client's own. */
static void name_caller(struct http_request *request, const gnutls_datum_t *own) {
    gnutls_x509_crt_t certificate;
    char name[HTTP_CALLER_SIZE] = "";
    size_t size = sizeof name;
    if (gnutls_x509_crt_init(&certificate) != GNUTLS_E_SUCCESS)
        return;
    if (gnutls_x509_crt_import(certificate, own, GNUTLS_X509_FMT_DER) == GNUTLS_E_SUCCESS &&
        gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name,
                                      &size) == GNUTLS_E_SUCCESS)
        memcpy(request->connection->peer, name, sizeof name);
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
    http_request_set_caller(request, connection->peer, 0);
    return STATUS_OK;
}
