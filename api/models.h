/* GET /v1/models, GET /v1/models/MODEL and GET /v1/models/MODEL/metrics. */
#ifndef FACEPAIR_API_MODELS_H
#define FACEPAIR_API_MODELS_H

#include "server/http/request.h"

void models_list(struct http_request *request);
void models_show(struct http_request *request);
void models_show_metrics(struct http_request *request);

#endif
