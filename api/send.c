#include "api/send.h"

#include "api/problem.h"

#include <string.h>

void send_json(struct http_request *request, int status, json_t *root,
               const struct http_header *headers) {
    char *text = root ? json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(root);
    if (text)
        http_reply_take(request, status, "application/json", text, strlen(text), headers);
    else
        problem_reply(request, STATUS_INTERNAL, &(struct error){"out of memory for an answer"});
}
