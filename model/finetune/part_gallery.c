#include "model/finetune/part_gallery.h"

#include "model/finetune/views.h"

#include <stdlib.h>
#include <string.h>

/* A part's photographs under way. */
struct embedding {
    const struct album *album;
    uint32_t *images; /* of the album */
    uint32_t count;
    struct photograph *photographs;
    float *embeddings;
    bool *usable; /* (images of the album) */
};

static void list(const struct album *album, const struct parts *parts, enum part part,
                 struct embedding *embedding) {
    for (uint32_t image = 0; image < album->images; image++)
        if (parts->listed[image] && parts->of[album->person_of[image]] == part) {
            embedding->photographs[embedding->count].name = album->paths[image];
            embedding->images[embedding->count++] = image;
        }
}

static enum status collect(const struct embedding *embedding, uint32_t length,
                           struct gallery *gallery, struct error *err) {
    const struct album *album = embedding->album;
    enum status status = gallery_create(album->people, embedding->count, length, gallery, err);
    if (status != STATUS_OK)
        return status;
    uint32_t people = 0, filled = 0, last = ALBUM_NOBODY;
    for (uint32_t i = 0; i < embedding->count; i++) {
        if (embedding->photographs[i].status != STATUS_OK)
            continue;
        uint32_t person = album->person_of[embedding->images[i]];
        people += person != last;
        last = person;
        memcpy(gallery->embeddings + (size_t)filled++ * length,
               embedding->embeddings + (size_t)i * length, length * sizeof(float));
        gallery->first[people] = filled;
    }
    gallery->people = people;
    return STATUS_OK;
}

static enum status embed(const struct parts *parts, enum part part,
                         const struct photographs_options *options,
                         const struct model_version *version, struct embedding *embedding,
                         struct part_gallery *result, struct error *err) {
    enum status status = photographs_embed(options, version, embedding->photographs,
                                           embedding->count, embedding->embeddings, err);
    if (status == STATUS_OK)
        status = views_check_photographs(embedding->photographs, embedding->count,
                                         &result->left_out, err);
    for (uint32_t i = 0; i < embedding->count; i++)
        embedding->usable[embedding->images[i]] = embedding->photographs[i].status == STATUS_OK;
    result->listed = embedding->count;
    if (status == STATUS_OK && part != PART_TRAINING)
        status = parts_check(embedding->album, parts, part, embedding->usable, err);
    return status == STATUS_OK
               ? collect(embedding, version->card.embedding_length, &result->gallery, err)
               : status;
}

enum status part_gallery_embed(const struct album *album, const struct parts *parts, enum part part,
                               const struct photographs_options *options,
                               const struct model_version *version, struct part_gallery *result,
                               struct error *err) {
    size_t images = album->images, length = version->card.embedding_length;
    struct embedding embedding = {.album = album,
                                  .images = calloc(images, sizeof(*embedding.images)),
                                  .photographs = calloc(images, sizeof(*embedding.photographs)),
                                  .usable = calloc(images, sizeof(*embedding.usable))};
    *result = (struct part_gallery){.listed = 0};
    enum status status = STATUS_OK;
    if (embedding.images && embedding.photographs && embedding.usable) {
        list(album, parts, part, &embedding);
        embedding.embeddings = calloc((size_t)embedding.count * length + 1, sizeof(float));
    }
    if (embedding.embeddings)
        status = embed(parts, part, options, version, &embedding, result, err);
    else
        status = error_set(err, STATUS_INTERNAL, "out of memory");
    free(embedding.images);
    free(embedding.photographs);
    free(embedding.usable);
    free(embedding.embeddings);
    return status;
}

void part_gallery_release(struct part_gallery *gallery) {
    gallery_release(&gallery->gallery);
    *gallery = (struct part_gallery){.listed = 0};
}
