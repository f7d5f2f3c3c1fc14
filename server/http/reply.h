/* The one answer of a request. Loop thread only; exactly one call per request; a suspended request
 * is resumed by it. X-Request-Id is on every answer; Cache-Control: no-store on answers to POST,
 * PUT and DELETE and on errors. */
#ifndef FACEPAIR_SERVER_HTTP_REPLY_H
#define FACEPAIR_SERVER_HTTP_REPLY_H

#include "server/http/request.h"

struct http_header {
    const char *name, *value; /* copied */
};

/* Takes `bytes` (from malloc), overwritten and freed when sent. headers ends with a NULL name, or
 * is NULL. */
void http_reply_take(struct http_request *request, int status, const char *content_type,
                     char *bytes, size_t size, const struct http_header *headers);
/* `bytes` live as long as the process (a document compiled in). */
void http_reply_static(struct http_request *request, int status, const char *content_type,
                       const char *bytes, size_t size, const struct http_header *headers);
/* 304 and 204. */
void http_reply_empty(struct http_request *request, int status, const struct http_header *headers);

/* An answer of 200 whose body is written as it comes, by http_stream_write(), and has no deadline.
 * The request lives until the stream has ended or its client has gone; `abandon` tells the latter,
 * and then the end is still owed. Between writes at most bytes_max may wait for the client. */
void http_reply_stream(struct http_request *request, const char *content_type, size_t bytes_max,
                       const struct http_header *headers);
/* Copies. False: the client reads too slowly and nothing was taken, or memory ran out. */
bool http_stream_write(struct http_request *request, const char *bytes, size_t size);
/* What was written is sent, and the answer is complete. Once. */
void http_stream_end(struct http_request *request);

#endif
