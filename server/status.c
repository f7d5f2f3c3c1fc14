#include "server/status.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
    int http;
    const char *code, *title;
} statuses[STATUS_COUNT] = {
#define X(name, http, code, title) [STATUS_##name] = {http, code, title},
    STATUS_TABLE(X)
#undef X
};

int status_http(enum status status) {
    assert(status < STATUS_COUNT);
    return statuses[status].http;
}

const char *status_code(enum status status) {
    assert(status < STATUS_COUNT);
    return statuses[status].code;
}

const char *status_title(enum status status) {
    assert(status < STATUS_COUNT);
    return statuses[status].title;
}

#undef error_set
enum status error_set(struct error *err, enum status status, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->detail, sizeof err->detail, format, args);
        va_end(args);
    }
    return status;
}
