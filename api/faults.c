#include "api/faults.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The list is not overwritten: 13 KB for each request that has no fault. */
void faults_init(struct faults *faults) {
    faults->count = 0;
    faults->retry_after_s = 0;
}

static struct fault *append(struct faults *faults, enum status status, const char *field) {
    if (faults->count == FAULTS_MAX)
        return NULL;
    struct fault *fault = &faults->list[faults->count++];
    memset(fault, 0, sizeof *fault);
    fault->status = status;
    if (field)
        snprintf(fault->field, sizeof fault->field, "%s", field);
    return fault;
}

void faults_add(struct faults *faults, enum status status, const char *field, const char *format,
                ...) {
    struct fault *fault = append(faults, status, field);
    if (!fault)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(fault->error.detail, sizeof fault->error.detail, format, args);
    va_end(args);
}

void faults_add_error(struct faults *faults, enum status status, const char *field,
                      const struct error *err) {
    struct fault *fault = append(faults, status, field);
    if (fault)
        fault->error = *err;
}
