/* GET /openapi.json: openapi.yaml, compiled into the program as JSON (cmake/openapi.py). */
#ifndef FACEPAIR_API_OPENAPI_H
#define FACEPAIR_API_OPENAPI_H

#include "server/http/request.h"

#include <stddef.h>

extern const char openapi_json[];
extern const size_t openapi_json_size;

void openapi_show(struct http_request *request);

#endif
