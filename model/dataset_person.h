/* One person leaves a data set: the photographs, and every line of a list that names the person.
 * Pairs files keep their form (as many pairs of one person as of two, and as many in each fold), so
 * more pairs than those may go; a list in which nobody is left is removed.
 *
 * Done again after it was broken off anywhere, it comes to the same end.
 */
#ifndef FACEPAIR_MODEL_DATASET_PERSON_H
#define FACEPAIR_MODEL_DATASET_PERSON_H

#include "model/digest.h"
#include "server/status.h"

#include <stddef.h>
#include <stdint.h>

struct dataset_left {
    char sha256[DIGEST_TEXT_SIZE]; /* of the data set as it is now */
    uint64_t bytes;
    size_t files, removed; /* files that are left; photographs that went */
};

/* DATA/datasets/NAME, which nobody else changes meanwhile. person: dataset_person_name(). STATUS_OK
 * also when there is no such person: nothing was removed then. STATUS_STORAGE_FULL,
 * STATUS_INTERNAL. */
enum status dataset_person_remove(const char *data, const char *name, const char *person,
                                  struct dataset_left *left, struct error *err);

#endif
