/* Can a data set be learned from? Each photograph is decoded once, by the trainer's process and
 * never by the one that serves; lists must name what is there.
 */
#ifndef FACEPAIR_MODEL_DATASET_CHECK_H
#define FACEPAIR_MODEL_DATASET_CHECK_H

#include "model/image/image.h"
#include "server/status.h"

#include <stdbool.h>
#include <stddef.h>

struct dataset_check_hooks {
    /* Before each photograph; false: stop. May be NULL. */
    bool (*go_on)(void *context, size_t done, size_t images);
    void *context;
};

struct dataset_check_result {
    bool stopped; /* by go_on: nothing else is said then */
    bool usable;
    size_t people, images, undecodable;
    /* Of one that is not usable, for the client: which word, and one sentence.
     *   undecodable_images  some photograph is none, or is beyond the limits
     *   one_person          there are not two people with photographs
     *   no_pairs            nobody has two photographs
     *   invalid_list        a pairs or people file is malformed, or names what is not there */
    const char *code;
    struct error why;
};

/* directory: DATA/datasets/NAME, with its manifest. STATUS_OK: *result tells; STATUS_INTERNAL: a
 * file or the manifest cannot be read. */
enum status dataset_check(const char *directory, const struct image_limits *limits,
                          const struct dataset_check_hooks *hooks,
                          struct dataset_check_result *result, struct error *err);

#endif
