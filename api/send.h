/* A JSON document as the answer. */
#ifndef FACEPAIR_API_SEND_H
#define FACEPAIR_API_SEND_H

#include "server/http/reply.h"

#include <jansson.h>

/* The text of root, from malloc. NULL: there is no root, or jansson has lacked memory on this
 * thread since json_lacked_memory() was last asked, so that a part may be missing, or be wrong: who
 * builds a document need not look at each. Steals root. */
char *send_json_text(json_t *root);
/* Steals root; NULL, or memory that runs out, is answered 500. Reals have 9 significant digits. */
void send_json(struct http_request *request, int status, json_t *root,
               const struct http_header *headers);

#endif
