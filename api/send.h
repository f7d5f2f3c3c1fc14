/* A JSON document as the answer. */
#ifndef FACEPAIR_API_SEND_H
#define FACEPAIR_API_SEND_H

#include "server/http/reply.h"

#include <jansson.h>

/* Steals root; NULL, or memory that runs out, is answered 500. Reals have 9 significant digits. */
void send_json(struct http_request *request, int status, json_t *root,
               const struct http_header *headers);

#endif
