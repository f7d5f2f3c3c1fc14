#include "api/openapi.h"

#include "server/http/reply.h"

void openapi_show(struct http_request *request) {
    http_reply_static(request, 200, "application/json", openapi_json, openapi_json_size, NULL);
}
