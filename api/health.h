/* Probes and /metrics. None of them depends on load. */
#ifndef FACEPAIR_API_HEALTH_H
#define FACEPAIR_API_HEALTH_H

#include "api/service.h"
#include "server/http/request.h"

void health_live(struct http_request *request);    /* the loop turns */
void health_ready(struct http_request *request);   /* models are warm and nothing drains */
void health_startup(struct http_request *request); /* models are loaded */
void health_metrics(struct http_request *request);

/* A worker takes longer than it may (service_options.hang_ms): what. */
bool health_hangs(const struct service *service, struct error *cause);

#endif
