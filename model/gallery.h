/* Embeddings of people, by person: what all-pairs measurements are made of. */
#ifndef FACEPAIR_MODEL_GALLERY_H
#define FACEPAIR_MODEL_GALLERY_H

#include "server/status.h"

#include <stddef.h>
#include <stdint.h>

struct gallery {
    uint32_t people, length; /* length: of an embedding */
    uint32_t *first;   /* (people + 1): person p has the images first[p] … first[p + 1] − 1 */
    float *embeddings; /* (first[people], length), finite */
};

static inline uint32_t gallery_images(const struct gallery *gallery) {
    return gallery->first[gallery->people];
}
static inline uint32_t gallery_images_of(const struct gallery *gallery, uint32_t person) {
    return gallery->first[person + 1] - gallery->first[person];
}

/* Room for `images` images of `people` people. On STATUS_OK the caller releases it. */
enum status gallery_create(uint32_t people, uint32_t images, uint32_t length,
                           struct gallery *gallery, struct error *err);
/* A gallery of its own with the `count` people of `chosen`, in that order. */
enum status gallery_select(const struct gallery *from, const uint32_t *chosen, uint32_t count,
                           struct gallery *gallery, struct error *err);
void gallery_release(struct gallery *gallery);

#endif
