/* Jobs over HTTP, of all kinds (job_route.h). Their events are in api/events.h. */
#ifndef FACEPAIR_API_JOBS_H
#define FACEPAIR_API_JOBS_H

#include "api/service.h"
#include "server/http/request.h"

enum { JOBS_QUEUED_MAX = 100 };

extern const char *const JOBS_QUERY_LIST[]; /* limit, after, status, model, dataset */

void jobs_create(struct http_request *request);
void jobs_list(struct http_request *request);
void jobs_show(struct http_request *request);
void jobs_checkpoints(struct http_request *request); /* of fine-tunes */
void jobs_cancel(struct http_request *request);
void jobs_pause(struct http_request *request);
void jobs_resume(struct http_request *request);
void jobs_delete(struct http_request *request);

#endif
