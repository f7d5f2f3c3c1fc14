/* The photographs of a data set's folder: PERSON/ANY_NAME.jpg, by person. */
#ifndef FACEPAIR_MODEL_FINETUNE_ALBUM_H
#define FACEPAIR_MODEL_FINETUNE_ALBUM_H

#include "server/status.h"

#include <stdint.h>

enum { ALBUM_IMAGES_MAX = 200000, ALBUM_NOBODY = UINT32_MAX };

struct album_person {
    char *name; /* the folder's, owned */
    uint32_t first, images;
};

struct album {
    uint32_t people, images;
    struct album_person *list; /* by name */
    char **paths;        /* (images) "PERSON/PERSON_0001.jpg", person by person, by name; owned */
    uint32_t *person_of; /* (images) indexes into list */
};

/* Every folder is a person, and every file in it whose name ends in .jpg, .jpeg, .png or .webp (in
 * any case) a photograph; hidden ones are passed over, and folders without any.
 * STATUS_INVALID_FIELD when there are too many, or a name is too long; STATUS_INTERNAL when
 * something cannot be read. On STATUS_OK the caller releases it. */
enum status album_read(const char *directory, struct album *album, struct error *err);
void album_release(struct album *album);

/* ALBUM_NOBODY: there is none of this name. */
uint32_t album_find_person(const struct album *album, const char *name);
uint32_t album_find_image(const struct album *album, const char *path);

#endif
