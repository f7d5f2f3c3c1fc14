/* Routes match the raw bytes of a path: no escape is undone, and none but %40 (an @ in
 * NAME@VERSION) is accepted, so that no two spellings of a path mean the same. */
#include "server/http/connection.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool escapes_allowed(const char *path) {
    for (const char *at = strchr(path, '%'); at; at = strchr(at + 1, '%'))
        if (strncmp(at, "%40", 3) != 0)
            return false;
    return true;
}

struct segments {
    size_t count;
    struct {
        const char *text;
        size_t size;
    } list[HTTP_SEGMENTS_MAX];
};

/* Matches `path` with "/fixed/{name}/fixed"; the segments in braces go to *segments. */
static bool path_matches(const char *pattern, const char *path, struct segments *segments) {
    segments->count = 0;
    while (*pattern) {
        if (*pattern != '{') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        size_t size = strcspn(path, "/");
        if (size == 0 || size > HTTP_PARAMETER_MAX)
            return false;
        assert(segments->count < HTTP_SEGMENTS_MAX);
        segments->list[segments->count].text = path;
        segments->list[segments->count++].size = size;
        path += size;
        pattern = strchr(pattern, '}') + 1;
    }
    return *path == '\0';
}

static bool method_serves(const char *endpoint_method, const char *method) {
    return strcmp(endpoint_method, method) == 0 ||
           (strcmp(endpoint_method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

static void allow_add(struct http_request *request, const char *method) {
    const char *names = strcmp(method, "GET") == 0 ? "GET, HEAD" : method;
    if (strstr(request->allow, names))
        return;
    size_t size = strlen(request->allow), room = sizeof request->allow - size;
    int length = snprintf(request->allow + size, room, "%s%s", size > 0 ? ", " : "", names);
    if (length < 0 || (size_t)length >= room)
        request->allow[size] = '\0'; /* whole names only */
}

enum status route_find(struct http_request *request, struct error *err) {
    const struct http_application *application = request->listener->application;
    unsigned role = request->listener->options.role;
    struct segments segments;
    for (size_t i = 0; escapes_allowed(request->path) && application->endpoints[i]; i++) {
        const struct http_endpoint *endpoint = application->endpoints[i];
        if (!(endpoint->listeners & role) ||
            !path_matches(endpoint->path, request->path, &segments))
            continue;
        if (method_serves(endpoint->method, request->method)) {
            request->endpoint = endpoint;
            for (size_t s = 0; s < segments.count; s++)
                memcpy(request->parameter[s], segments.list[s].text, segments.list[s].size);
            return STATUS_OK;
        }
        allow_add(request, endpoint->method);
    }
    if (request->allow[0])
        return error_set(err, STATUS_METHOD_NOT_ALLOWED, "This path allows %s.", request->allow);
    return error_set(err, STATUS_NOT_FOUND, "There is nothing at this path.");
}
