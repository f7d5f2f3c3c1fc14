/* Every error that reaches a client: application/problem+json (RFC 9457), one fault or many.
 *
 *     {"type":"urn:facepair:problem:no_face","title":"No face found","status":422,"code":"no_face",
 *      "image":"image2","detail":"…","request_id":"…",
 *      "errors":[{"code":"no_face","field":"image2","detail":"…"}]}
 *
 * The first fault is repeated on top and decides the HTTP status. The detail of a status from 500
 * on goes to the log and not to the client. */
#ifndef FACEPAIR_API_PROBLEM_H
#define FACEPAIR_API_PROBLEM_H

#include "api/faults.h"
#include "server/http/request.h"

#define PROBLEM_CONTENT_TYPE "application/problem+json"

enum { PROBLEM_ADMIN_RETRY_S = 5 }; /* Retry-After of a 503 of the admin listener's own endpoints */

/* faults->count ≥ 1. */
void problem_reply_faults(struct http_request *request, const struct faults *faults);
/* One fault of no single field; http_application.reply_problem. err may be NULL. */
void problem_reply(struct http_request *request, enum status status, const struct error *err);

#endif
