/* POST /v1/compare: two embeddings in, each a token of POST /v1/embeddings or, where that is
 * allowed, its components; a decision out. */
#ifndef FACEPAIR_API_COMPARE_H
#define FACEPAIR_API_COMPARE_H

#include "api/work.h"

/* A body of two arrays of numbers as long as they are sensibly written. */
enum { COMPARE_BODY_BYTES_MAX = 256 * 1024 };

/* http_endpoint's admit; the other hooks are work_finish, work_abandon and work_release. */
enum status compare_admit(struct http_request *request, struct error *err);

#endif
