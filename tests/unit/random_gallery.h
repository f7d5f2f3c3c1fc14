/* A gallery of made-up people: images scatter around a point of each person's own. */
#ifndef FACEPAIR_TESTS_RANDOM_GALLERY_H
#define FACEPAIR_TESTS_RANDOM_GALLERY_H

#include "model/gallery.h"
#include "model/random.h"

static inline double random_real(struct random_generator *generator) {
    return (double)(random_bits(generator) >> 11) / 9007199254740992.0;
}

/* Roughly normal: the sum of twelve uniform numbers has variance 1. */
static inline double random_normal(struct random_generator *generator) {
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += random_real(generator);
    return sum;
}

/* images[person] of each; the people's points have variance 1 in each component, their images
 * variance `scatter` around them. */
static inline void random_gallery(const uint32_t *images, uint32_t people, uint32_t length,
                                  double scatter, uint64_t seed, struct gallery *gallery) {
    struct random_generator generator = random_seeded(seed);
    struct error err;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < people; i++)
        sum += images[i];
    assert_int_equal(gallery_create(people, sum, length, gallery, &err), STATUS_OK);
    float *next = gallery->embeddings;
    for (uint32_t i = 0; i < people; i++) {
        double own[256] = {0};
        gallery->first[i + 1] = gallery->first[i] + images[i];
        for (uint32_t k = 0; k < length; k++)
            own[k] = random_normal(&generator);
        for (uint32_t n = 0; n < images[i] * length; n++)
            *next++ = (float)(own[n % length] + scatter * random_normal(&generator));
    }
}

#endif
