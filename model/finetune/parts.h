/* Who of a data set is for what. Nobody is for two things (finetune.h tells which there are).
 *
 * A person's place on the line from 0 to 1 is the first 53 bits of SHA-256("SEED:NAME") ÷ 2⁵³, so
 * that it depends on nobody else. Sampled:
 *
 *     evaluation 0 … 0.30   calibration … 0.37   validation … 0.44   training … 1
 *
 * Where a file names who is trained on and validation is sampled, those of the file with a place
 * below 0.1 are validated on. Those that no file names: below 0.2 calibration, else evaluation.
 *
 * Whom an earlier version was trained on (or had its head learned from) can say nothing about it
 * any more: such a person goes to training where people are sampled, and is left out otherwise.
 */
#ifndef FACEPAIR_MODEL_FINETUNE_PARTS_H
#define FACEPAIR_MODEL_FINETUNE_PARTS_H

#include "model/dataset.h"
#include "model/finetune/album.h"
#include "model/finetune/spec.h"
#include "model/people.h"

enum part { PART_NOBODY, PART_TRAINING, PART_VALIDATION, PART_CALIBRATION, PART_EVALUATION, PARTS };
extern const char *const PART_NAMES[PARTS]; /* "training people", … for sentences */

/* Pairs of a file; a and b are the album's images. */
struct parts_pairs {
    struct dataset_pair *list; /* owned; NULL: sampled */
    size_t count;
};

struct parts {
    enum part *of; /* (people of the album) */
    bool *listed;  /* (images of the album): it may be used for its person's part */
    struct parts_pairs training, validation;
};

/* lists: where the spec's files stand. learned: texts of people_hashes of those whom earlier
 * versions were trained on, NULL at the end. STATUS_INVALID_FIELD: a file is malformed, names who
 * or what is not there, both files name one person, or a part has not two people and a person with
 * two photographs (or, for pairs of a file, pairs of both kinds). On STATUS_OK the caller releases
 * it. */
enum status parts_read(const struct album *album, const struct finetune_spec *spec,
                       const char *lists, const char *const *learned, struct parts *parts,
                       struct error *err);
void parts_release(struct parts *parts);

/* As parts_read does for all; `usable` (images of the album): those that can be used, NULL: all
 * that are listed. */
enum status parts_check(const struct album *album, const struct parts *parts, enum part part,
                        const bool *usable, struct error *err);

/* The people of a part, as model/people.h has them (names copied). On STATUS_OK the caller releases
 * it. */
enum status parts_people(const struct album *album, const struct parts *parts, enum part part,
                         struct people *people, struct error *err);

double parts_place(uint64_t seed, const char *name);

#endif
