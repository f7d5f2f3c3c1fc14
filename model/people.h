/* Who is in a measurement: people files, and parts of a split by person.
 *
 * A person is told apart by a hash of the name, the first 16 hexadecimal digits of its SHA-256, so
 * that a split or a card can say who was in it without naming anyone.
 */
#ifndef FACEPAIR_MODEL_PEOPLE_H
#define FACEPAIR_MODEL_PEOPLE_H

#include "server/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PEOPLE_MAX = 200000,
    PERSON_IMAGES_MAX = 9999,
    PERSON_NAME_MAX = 100,
    PERSON_HASH_SIZE = 17
};

struct person {
    char *name;      /* owned */
    uint32_t images; /* NAME/NAME_0001.jpg … */
    uint32_t group;  /* index into groups; PEOPLE_NO_GROUP */
};
enum { PEOPLE_NO_GROUP = INT32_MAX, PEOPLE_GROUPS_MAX = 64 };

struct people {
    uint32_t count, images;
    struct person *list; /* by name */
    uint32_t groups_count;
    char *groups[PEOPLE_GROUPS_MAX]; /* names, owned */
};

/* LFW's format: the number of people, then a line "NAME<TAB>IMAGES" each; or the number of folds
 * and such a list for each. A name that could leave the image directory, or stands there twice, is
 * refused: STATUS_INVALID_FIELD with the line. STATUS_INTERNAL: the file cannot be read. On
 * STATUS_OK the caller releases it. */
enum status people_read(const char *path, struct people *people, struct error *err);
void people_release(struct people *people);

/* Safe as the name of a folder: 1 to PERSON_NAME_MAX bytes, no slash, backslash or control
 * character, no dot at its beginning. */
bool person_name_valid(const char *name);
void person_hash(const char *name, char hash[PERSON_HASH_SIZE]);
/* SHA-256 of the sorted hashes, a line each: the same for the same people in any order. */
enum status people_digest(const struct people *people, char sha256[65], struct error *err);

/* Keeps those whom the split file (lines "PART HASH") puts in this part. STATUS_INVALID_FIELD when
 * that is nobody. */
enum status people_keep_part(struct people *people, const char *split_path, const char *part,
                             struct error *err);
/* Puts people into groups, by lines "NAME GROUP"; whoever the file does not name has none. */
enum status people_group(struct people *people, const char *path, struct error *err);

/* The sorted hashes, a line each, as a text from malloc; NULL: out of memory. */
char *people_hashes(const struct people *people, size_t *size);
/* The hashes of both such texts, each once; from malloc, NULL: out of memory. */
char *people_hashes_join(const char *a, const char *b);
/* Whether the hash of this name stands in such a text. */
bool people_hashes_have(const char *hashes, const char *name);
/* STATUS_INVALID_FIELD when someone's hash stands in the text. what: who those are, for err: "the
 * version was calibrated on". */
enum status people_refuse_overlap(const struct people *people, const char *hashes, const char *what,
                                  struct error *err);

#endif
