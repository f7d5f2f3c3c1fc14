#include "api/send.h"

#include "api/problem.h"
#include "model/json.h"

#include <stdlib.h>
#include <string.h>

char *send_json_text(json_t *root) {
    char *text = root ? json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(root);
    if (!json_lacked_memory())
        return text;
    free(text);
    return NULL;
}

void send_json(struct http_request *request, int status, json_t *root,
               const struct http_header *headers) {
    char *text = send_json_text(root);
    if (text)
        http_reply_take(request, status, "application/json", text, strlen(text), headers);
    else
        problem_reply(request, STATUS_INTERNAL, &(struct error){"out of memory for an answer"});
}
