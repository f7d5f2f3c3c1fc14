#include "api/job_route.h"

#include "api/problem.h"

#include <assert.h>
#include <string.h>

static const char *const PATHS[JOB_KINDS_COUNT] = {
    [JOB_FINE_TUNE] = "/admin/v1/fine-tunes",
    [JOB_EVALUATION] = "/admin/v1/evaluations",
    [JOB_CALIBRATION] = "/admin/v1/calibrations",
};

enum job_kind job_route_kind(const struct http_request *request) {
    const char *route = http_request_endpoint(request)->route;
    unsigned kind = 0;
    while (kind < JOB_KINDS_COUNT && strncmp(route, PATHS[kind], strlen(PATHS[kind])) != 0)
        kind++;
    assert(kind < JOB_KINDS_COUNT);
    return (enum job_kind)kind;
}

const char *job_route_path(const struct http_request *request) {
    return PATHS[job_route_kind(request)];
}

const char *job_route_id(struct http_request *request) {
    struct error err;
    const char *id = http_request_parameter(request);
    const char *prefix = job_kind_prefix(job_route_kind(request));
    if (uid_valid(prefix, id))
        return id;
    error_set(&err, STATUS_INVALID_NAME, "An id here is \"%s\" and a UUID.", prefix);
    problem_reply(request, STATUS_INVALID_NAME, &err);
    return NULL;
}
