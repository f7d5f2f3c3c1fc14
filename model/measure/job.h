/* An evaluation or a calibration of a data set, as a job: what `facepair evaluate` and `facepair
 * calibrate` make of the same photographs, lists and options. Waits for disks and computes for
 * minutes: for the trainer process. The network's runtime (network_runtime_open) is the caller's to
 * open. */
#ifndef FACEPAIR_MODEL_MEASURE_JOB_H
#define FACEPAIR_MODEL_MEASURE_JOB_H

#include "model/go_on.h"
#include "model/measure/spec.h"

struct measure_job {
    const char *data;    /* the data directory */
    const char *dataset; /* PERSON/PERSON_0001.jpg …, and the lists */
    const char *id;      /* of the job: a calibration with this id is published once */
    unsigned threads;    /* ≥ 1 */
    /* Told as photographs are done. */
    void (*progress)(void *context, size_t done, size_t total);
    void *context;
    struct go_on go_on;
};

struct measure_result {
    /* That was evaluated, or that came of the calibration. */
    char model[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1];
    char *evaluation; /* evaluation.json, from malloc; of a calibration NULL */
};

/* spec->base_model has a version. On STATUS_OK the caller frees the evaluation.
 *
 *   STATUS_INVALID_FIELD  the data set lacks a list, or has too few people; or they are those whom
 *                         the version was learned from; or an option does not go with it
 *   STATUS_UNKNOWN_MODEL  the version is not there
 *   STATUS_STORAGE_FULL   the disk is full
 *   STATUS_DRAINING       go_on has ended it
 *   STATUS_INTERNAL       anything else; err names the file */
enum status measure_job_run(const struct measure_job *job, const struct measure_spec *spec,
                            struct measure_result *result, struct error *err);

#endif
