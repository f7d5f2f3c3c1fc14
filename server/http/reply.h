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

#endif
