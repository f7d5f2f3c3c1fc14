#include "model/measure/people_gallery.h"

#include "model/finetune/album.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- whose photographs ---- */

/* NAME/NAME_0001.jpg …, person by person. */
static enum status name_images(const char *directory, struct people_gallery *result,
                               struct error *err) {
    const struct people *people = &result->people;
    enum status status = STATUS_OK;
    result->images = calloc(people->images, sizeof(*result->images));
    result->images_listed = result->images ? people->images : 0;
    if (!result->images)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    char **next = result->images;
    for (uint32_t i = 0; i < people->count && status == STATUS_OK; i++)
        for (uint32_t number = 1; number <= people->list[i].images && status == STATUS_OK; number++)
            if (asprintf(next, "%s/%s_%04u.jpg", people->list[i].name, people->list[i].name,
                         number) < 0) {
                *next = NULL;
                status = error_set(err, STATUS_INTERNAL, "out of memory");
            } else {
                status = faces_find_file(directory, next++, err);
            }
    return status;
}

static enum status read_file(const struct people_gallery_options *options,
                             struct people_gallery *result, struct error *err) {
    enum status status = digest_file(options->people, result->file_sha256, err);
    if (status == STATUS_OK)
        status = people_read(options->people, &result->people, err);
    if (status == STATUS_OK && options->split)
        status = people_keep_part(&result->people, options->split, options->part, err);
    if (status == STATUS_OK && options->groups)
        status = people_group(&result->people, options->groups, err);
    return status == STATUS_OK ? name_images(options->faces.directory, result, err) : status;
}

/* What is the album's becomes the gallery's. */
static enum status take_album(struct album *album, struct people_gallery *result,
                              struct error *err) {
    struct people *people = &result->people;
    people->list = calloc((size_t)album->people + 1, sizeof(*people->list));
    if (!people->list)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    for (uint32_t i = 0; i < album->people; i++) {
        people->list[i] =
            (struct person){album->list[i].name, album->list[i].images, PEOPLE_NO_GROUP};
        album->list[i].name = NULL;
    }
    people->count = album->people;
    people->images = album->images;
    result->images = album->paths;
    result->images_listed = album->images;
    album->paths = NULL;
    album->images = 0;
    return STATUS_OK;
}

static enum status read_folder(const struct people_gallery_options *options,
                               struct people_gallery *result, struct error *err) {
    struct album album;
    enum status status = album_read(options->faces.directory, &album, err);
    if (status != STATUS_OK)
        return status;
    status = album.images > 0 ? take_album(&album, result, err)
                              : error_set(err, STATUS_INVALID_FIELD, "there are no photographs");
    album_release(&album);
    return status;
}

enum status people_gallery_read(const struct people_gallery_options *options,
                                struct people_gallery *result, struct error *err) {
    size_t size;
    memset(result, 0, sizeof(*result));
    enum status status =
        options->people ? read_file(options, result, err) : read_folder(options, result, err);
    if (status == STATUS_OK)
        status = people_digest(&result->people, result->people_sha256, err);
    if (status == STATUS_OK && !options->people)
        memcpy(result->file_sha256, result->people_sha256, sizeof(result->file_sha256));
    if (status == STATUS_OK) {
        result->hashes = people_hashes(&result->people, &size);
        status = result->hashes ? STATUS_OK : error_set(err, STATUS_INTERNAL, "out of memory");
    }
    result->people_listed = result->people.count;
    if (status != STATUS_OK)
        people_gallery_release(result);
    return status;
}

/* ---- their embeddings ---- */

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

enum status people_gallery_embed(const struct measure_place *place,
                                 const struct people_gallery_options *options,
                                 struct people_gallery *result, struct error *err) {
    struct faces faces;
    enum status status =
        faces_embed(place, &options->faces, result->images, result->images_listed, &faces, err);
    if (status != STATUS_OK)
        return status;
    result->faces_not_found = faces.not_found;
    result->images_left_out = faces.left_out;
    status = collect(&faces, place->version->card.embedding_length, result, err);
    faces_release(&faces);
    return status;
}

void people_gallery_release(struct people_gallery *result) {
    gallery_release(&result->gallery);
    people_release(&result->people);
    for (size_t i = 0; i < result->images_listed; i++)
        free(result->images[i]);
    free(result->images);
    free(result->hashes);
    memset(result, 0, sizeof(*result));
}
