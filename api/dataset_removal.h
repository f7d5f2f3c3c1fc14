/* What goes with a data set, or with one of its people. Disk thread. */
#ifndef FACEPAIR_API_DATASET_REMOVAL_H
#define FACEPAIR_API_DATASET_REMOVAL_H

#include "api/service.h"

#include <stdbool.h>
#include <stdint.h>

/* The data set, and the directories of the jobs that used it: their caches and checkpoints were
 * made of its photographs. (The versions that came of them stay until they are deleted.)
 * STATUS_NOT_FOUND; STATUS_IN_USE while a job that has not ended uses it; STATUS_INTERNAL. What was
 * broken off is ended by the next try. */
enum status dataset_removal(struct service *service, const char *name, struct error *err);
/* The directories alone. */
enum status dataset_removal_derived(struct service *service, const char *name, struct error *err);

struct dataset_derived {
    size_t versions_count, caches_count;
    struct dataset_version {
        char model[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1], job[48];
    } * versions; /* that came of it; owned */
    struct dataset_cache {
        char job[48];
        uint64_t bytes;
    } * caches; /* directories of jobs that used it and are on the disk; owned */
};
/* The newest DATASET_DERIVED_MAX of both. On STATUS_OK the caller releases it. */
enum { DATASET_DERIVED_MAX = 1000 };
enum status dataset_derived(struct service *service, const char *name,
                            struct dataset_derived *derived, struct error *err);
void dataset_derived_release(struct dataset_derived *derived);

#endif
