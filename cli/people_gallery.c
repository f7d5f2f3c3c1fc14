#include "cli/people_gallery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum status people_gallery_read(const struct people_gallery_options *options,
                                struct people_gallery *result, struct error *err) {
    size_t size;
    memset(result, 0, sizeof(*result));
    enum status status = digest_file(options->people, result->file_sha256, err);
    if (status == STATUS_OK)
        status = people_read(options->people, &result->people, err);
    if (status == STATUS_OK && options->split)
        status = people_keep_part(&result->people, options->split, options->part, err);
    if (status == STATUS_OK && options->groups)
        status = people_group(&result->people, options->groups, err);
    if (status == STATUS_OK)
        status = people_digest(&result->people, result->people_sha256, err);
    if (status == STATUS_OK) {
        result->hashes = people_hashes(&result->people, &size);
        status = result->hashes ? STATUS_OK : error_set(err, STATUS_INTERNAL, "out of memory");
    }
    result->people_listed = result->people.count;
    result->images_listed = result->people.images;
    if (status != STATUS_OK)
        people_gallery_release(result);
    return status;
}

/* NAME/NAME_0001.jpg …, person by person. */
static char **name_images(const struct people *people) {
    char **names = calloc(people->images, sizeof(*names));
    size_t next = 0;
    for (uint32_t i = 0; names && i < people->count; i++)
        for (uint32_t number = 1; number <= people->list[i].images; number++)
            if (asprintf(&names[next++], "%s/%s_%04u.jpg", people->list[i].name,
                         people->list[i].name, number) < 0)
                names[next - 1] = NULL;
    return names;
}

static void release_names(char **names, size_t count) {
    for (size_t i = 0; names && i < count; i++)
        free(names[i]);
    free(names);
}

/* Moves the embeddings that there are into the gallery and drops people without any. */
static enum status collect(const struct faces *faces, uint32_t length,
                           struct people_gallery *result, struct error *err) {
    struct people *people = &result->people;
    struct gallery *gallery = &result->gallery;
    enum status status =
        gallery_create(people->count, (uint32_t)faces->count, length, gallery, err);
    if (status != STATUS_OK)
        return status;
    size_t image = 0;
    uint32_t kept = 0, filled = 0;
    for (uint32_t i = 0; i < people->count; i++) {
        uint32_t before = filled;
        for (uint32_t n = 0; n < people->list[i].images; n++, image++)
            if (faces->photographs[image].status == STATUS_OK)
                memcpy(gallery->embeddings + (size_t)filled++ * length,
                       faces->embeddings + image * length, length * sizeof(float));
        if (filled == before) {
            free(people->list[i].name);
            continue;
        }
        gallery->first[kept + 1] = filled;
        people->list[kept] = people->list[i];
        people->list[kept++].images = filled - before;
    }
    people->count = gallery->people = kept;
    people->images = filled;
    return STATUS_OK;
}

enum status people_gallery_embed(struct session *session,
                                 const struct people_gallery_options *options,
                                 struct people_gallery *result, struct error *err) {
    size_t count = result->people.images;
    char **names = name_images(&result->people);
    bool named = names != NULL;
    for (size_t i = 0; named && i < count; i++)
        named = names[i] != NULL;
    struct faces faces;
    enum status status = named ? faces_embed(session, &options->faces, names, count, &faces, err)
                               : error_set(err, STATUS_INTERNAL, "out of memory");
    if (status == STATUS_OK) {
        result->faces_not_found = faces.not_found;
        result->images_left_out = faces.left_out;
        status = collect(&faces, session->version->card.embedding_length, result, err);
        faces_release(&faces);
    }
    release_names(names, count);
    return status;
}

void people_gallery_release(struct people_gallery *result) {
    gallery_release(&result->gallery);
    people_release(&result->people);
    free(result->hashes);
    memset(result, 0, sizeof(*result));
}
