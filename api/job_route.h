/* Under which path the jobs of a kind stand: /admin/v1/fine-tunes, …/evaluations, …/calibrations.
 */
#ifndef FACEPAIR_API_JOB_ROUTE_H
#define FACEPAIR_API_JOB_ROUTE_H

#include "model/store/jobs.h"
#include "server/http/request.h"

enum { JOB_ROUTE_PATH_SIZE = sizeof "/admin/v1/calibrations" }; /* the longest of them */

/* Of a request to one of them: the kind of job that it is about, and its path. */
enum job_kind job_route_kind(const struct http_request *request);
const char *job_route_path(const struct http_request *request);
/* The id in the path, which is of this kind; borrowed. NULL: the request has been answered. */
const char *job_route_id(struct http_request *request);

#endif
