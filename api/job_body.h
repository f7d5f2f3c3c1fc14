/* The body of a request for a job, of whatever kind. */
#ifndef FACEPAIR_API_JOB_BODY_H
#define FACEPAIR_API_JOB_BODY_H

#include "api/faults.h"
#include "model/finetune/spec.h"
#include "model/measure/spec.h"
#include "model/store/jobs.h"

struct job_body {
    enum job_kind kind;
    struct finetune_spec finetune; /* of JOB_FINE_TUNE */
    struct measure_spec measure;   /* of the others */
    /* What the store keeps apart: the base model once it is settled, the others at once. */
    char base_model[STORE_NAME_SIZE], base_version[STORE_VERSION_SIZE];
    const char *dataset;
    const char *resume_from; /* NULL: none */
    bool promote;            /* if better */
};

/* Adds every fault to the list. Loop thread. */
void job_body_take(enum job_kind kind, const void *bytes, size_t size, struct job_body *body,
                   struct faults *faults);
/* "NAME" becomes "NAME@VERSION" by the active version, so that what the job means is settled now.
 * Waits for disks. STATUS_UNKNOWN_MODEL; STATUS_NOT_TRAINABLE, STATUS_NOT_LOADABLE. */
enum status job_body_settle(struct job_body *body, const char *data, struct error *err);
/* The job's spec, from malloc; NULL: out of memory. */
char *job_body_write(const struct job_body *body);
/* As it is told: "NAME@VERSION" once it is settled. */
const char *job_body_model(const struct job_body *body);

#endif
