#include "model/gallery.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum status gallery_create(uint32_t people, uint32_t images, uint32_t length,
                           struct gallery *gallery, struct error *err) {
    gallery->people = people;
    gallery->length = length;
    gallery->first = calloc((size_t)people + 1, sizeof(*gallery->first));
    gallery->embeddings = calloc((size_t)images * length + 1, sizeof(float));
    if (gallery->first && gallery->embeddings)
        return STATUS_OK;
    gallery_release(gallery);
    return error_set(err, STATUS_INTERNAL, "out of memory");
}

enum status gallery_select(const struct gallery *from, const uint32_t *chosen, uint32_t count,
                           struct gallery *gallery, struct error *err) {
    uint32_t images = 0;
    for (uint32_t i = 0; i < count; i++) {
        assert(chosen[i] < from->people);
        images += gallery_images_of(from, chosen[i]);
    }
    enum status status = gallery_create(count, images, from->length, gallery, err);
    if (status != STATUS_OK)
        return status;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t own = gallery_images_of(from, chosen[i]), first = gallery->first[i];
        gallery->first[i + 1] = first + own;
        memcpy(gallery->embeddings + (size_t)first * from->length,
               from->embeddings + (size_t)from->first[chosen[i]] * from->length,
               (size_t)own * from->length * sizeof(float));
    }
    return STATUS_OK;
}

void gallery_release(struct gallery *gallery) {
    free(gallery->first);
    free(gallery->embeddings);
    memset(gallery, 0, sizeof(*gallery));
}
