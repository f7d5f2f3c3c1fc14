/* GET /v1/models and GET /v1/models/MODEL. */
#ifndef FACEPAIR_API_MODELS_H
#define FACEPAIR_API_MODELS_H

#include "server/http/request.h"

void models_list(struct http_request *request);
void models_show(struct http_request *request);

#endif
