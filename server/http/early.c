/* An answer in the middle of a body. libmicrohttpd takes one only before the body or after it, and
 * the rest of an archive may be gigabytes: a client must not send all of it to learn that its
 * second member is a device. So the answer is written past libmicrohttpd, on the socket. Nothing
 * else is being sent there: libmicrohttpd's own last bytes were 100 Continue or the answer before,
 * and it hands over a body only when those are out. The answer fits the socket's buffer, which is
 * empty then; what would not fit is cut with the connection.
 *
 * Behind the answer the sending side is shut, so that its end is seen, and what still comes is
 * dropped for HTTP_DROP_US_MAX. With TLS it is the session that it is written to, as the next of
 * its records.
 */
#include "server/http/connection.h"

#include "server/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static enum MHD_Result write_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                    const char *value) {
    (void)kind;
    fprintf(cls, "%s: %s\r\n", name, value);
    return MHD_YES;
}

static char *render(const struct http_request *request, const char *bytes, size_t size,
                    size_t *rendered) {
    char *text = NULL;
    FILE *stream = open_memstream(&text, rendered);
    if (!stream)
        return NULL;
    fprintf(stream, "HTTP/1.1 %u %s\r\n", request->response_status,
            MHD_get_reason_phrase_for(request->response_status));
    MHD_get_response_headers(request->response, write_header, stream);
    fprintf(stream, "Content-Length: %zu\r\n\r\n", size);
    fwrite(bytes, 1, size, stream);
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

/* Observed before it is sent, as every answer is: who has it may ask for the metrics at once. */
void early_answer(struct http_request *request, const char *bytes, size_t size) {
    int fd = request->connection->fd;
    size_t rendered = 0;
    char *text = request->response ? render(request, bytes, size, &rendered) : NULL;
    request->answered_us = clock_monotonic_us();
    reply_observe(request);
    if (text && request->connection->tls)
        tls_send_last(request->connection, text, rendered);
    else if (text)
        (void)!send(fd, text, rendered, MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    free(text);
    http_request_continue(request);
    request->dropped_us = clock_monotonic_us();
    request->early = request->linger = true;
    request->phase = PHASE_DROP;
    if (request->response)
        MHD_destroy_response(request->response);
    request->response = NULL;
}
