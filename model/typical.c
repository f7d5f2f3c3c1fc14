#include "model/typical.h"

#include "model/decision.h"

#include <assert.h>
#include <stdlib.h>

enum status typical_mean(const struct gallery *gallery, float *mean, struct error *err) {
    uint32_t length = gallery->length;
    double *sum = calloc(length, sizeof(*sum));
    if (!sum)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    for (uint32_t person = 0; person < gallery->people; person++) {
        double weight = 1.0 / gallery->people / gallery_images_of(gallery, person);
        for (uint32_t i = gallery->first[person]; i < gallery->first[person + 1]; i++)
            for (uint32_t k = 0; k < length; k++)
                sum[k] += weight * (double)gallery->embeddings[(size_t)i * length + k];
    }
    for (uint32_t k = 0; k < length; k++)
        mean[k] = (float)sum[k];
    free(sum);
    return STATUS_OK;
}

struct weighed {
    double distance, weight;
};

static int by_distance(const void *a, const void *b) {
    double x = ((const struct weighed *)a)->distance, y = ((const struct weighed *)b)->distance;
    return (x > y) - (x < y);
}

/* Faces (images of the gallery) -> distance_min. */
static double distance_min(struct weighed *faces, size_t count, double share) {
    double before = 0, limit = 0;
    qsort(faces, count, sizeof(*faces), by_distance);
    for (size_t i = 0; i < count && before <= share; i++) {
        limit = faces[i].distance;
        before += faces[i].weight;
    }
    return limit;
}

enum status typical_measure(const struct gallery *gallery, double share,
                            struct card_typical *typical, struct error *err) {
    assert(gallery->people > 0 && share >= 0);
    uint32_t length = gallery->length, images = gallery_images(gallery);
    struct weighed *faces = calloc(images, sizeof(*faces));
    *typical = (struct card_typical){.mean = calloc(length, sizeof(float)), .share = share};
    enum status status = faces && typical->mean ? typical_mean(gallery, typical->mean, err)
                                                : error_set(err, STATUS_INTERNAL, "out of memory");
    for (uint32_t person = 0; person < gallery->people && status == STATUS_OK; person++)
        for (uint32_t i = gallery->first[person]; i < gallery->first[person + 1]; i++)
            faces[i] = (struct weighed){
                decision_distance(typical->mean, gallery->embeddings + (size_t)i * length, length),
                1.0 / gallery->people / gallery_images_of(gallery, person)};
    if (status == STATUS_OK)
        typical->distance_min = distance_min(faces, images, share);
    else
        card_typical_release(typical);
    free(faces);
    return status;
}
