/* Lists that are told page by page: ?limit=1…100 (20) and ?after=CURSOR. */
#ifndef FACEPAIR_API_PAGE_H
#define FACEPAIR_API_PAGE_H

#include "server/http/request.h"
#include "server/status.h"

#include <jansson.h>

enum { PAGE_LIMIT = 20, PAGE_LIMIT_MAX = 100 };

/* The parameter limit. STATUS_INVALID_FIELD. */
enum status page_limit(const struct http_request *request, size_t *limit, struct error *err);
/* {"object":"list","data":[…],"has_more":…,"next":"PATH?after=CURSOR&…"|null}, where the other
 * parameters of the request stand in `next` again. cursor: NULL where there is no more. Steals
 * data. NULL: out of memory. */
json_t *page_json(const struct http_request *request, const char *path, json_t *data,
                  const char *cursor);

#endif
