/* The names that a data set is made of:
 *
 *     PERSON/PERSON_0001.jpg    a photograph: four digits from 0001 on; .jpg, .png or .webp
 *     pairs*.txt people*.txt    a list in LFW's format
 *
 * PERSON is of letters, digits, '.', '_', '-' and '\'', so that it can stand in a list and in a URL
 * as it is; it is neither a list's name nor the manifest's, which stand beside it. In an archive a
 * leading "./" may stand before each, and one folder, the same for all. Everything else is refused,
 * so that no name leads out of the folder that it is written to.
 */
#ifndef FACEPAIR_MODEL_DATASET_PATH_H
#define FACEPAIR_MODEL_DATASET_PATH_H

#include "model/people.h"

enum {
    DATASET_PERSON_SIZE = PERSON_NAME_MAX + 1,
    DATASET_FILE_SIZE = PERSON_NAME_MAX + sizeof("_0001.webp"),
    DATASET_NAME_SIZE = DATASET_PERSON_SIZE + DATASET_FILE_SIZE, /* PERSON/FILE */
};

bool dataset_person_name(const char *name);

enum dataset_path_kind { DATASET_FOLDER, DATASET_IMAGE, DATASET_LIST };

struct dataset_path {
    enum dataset_path_kind kind;
    bool top_known;                   /* false of a folder that may be the top or a person's */
    char top[DATASET_PERSON_SIZE];    /* "": none */
    char person[DATASET_PERSON_SIZE]; /* of an image; "" otherwise */
    char file[DATASET_FILE_SIZE];     /* of an image or a list; "" otherwise */
};

/* path: as it stands in an archive. STATUS_INVALID_FIELD with what is wrong; the caller says with
 * which member. */
enum status dataset_path_parse(const char *path, bool folder, struct dataset_path *parsed,
                               struct error *err);

bool dataset_list_name(const char *name); /* pairs*.txt or people*.txt */
/* PERSON_0001.jpg of this person. */
bool dataset_image_name(const char *name, const char *person);

#endif
