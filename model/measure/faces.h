/* Many labelled photographs -> embeddings, for whoever measures: what was found in them is counted,
 * and one that cannot be read stops the measurement. */
#ifndef FACEPAIR_MODEL_MEASURE_FACES_H
#define FACEPAIR_MODEL_MEASURE_FACES_H

#include "model/measure/place.h"
#include "model/photographs.h"

/* The words for which face is used and what becomes of a photograph without one, in the order of
 * their indexes below. */
extern const char *const FACES_WHICH[];   /* largest, centre, only */
extern const char *const FACES_WITHOUT[]; /* reject, centre */

struct faces_options {
    const char *directory;
    unsigned which, without; /* indexes into the words */
};

struct faces {
    size_t count;
    struct photograph *photographs; /* status STATUS_OK: it has an embedding */
    float *embeddings;              /* (count, embedding_length) */
    size_t not_found;               /* without the face asked for */
    size_t left_out;                /* of those, the ones that --no-face leaves out */
};

/* Lists name photographs without an ending, and "….jpg" is what they are taken for: *name (from
 * malloc) becomes the .png or .webp beside it where that alone is there. */
enum status faces_find_file(const char *directory, char **name, struct error *err);

/* names: paths below the directory, borrowed. On STATUS_OK the caller releases it. STATUS_DRAINING:
 * place->go_on has ended it. */
enum status faces_embed(const struct measure_place *place, const struct faces_options *options,
                        char *const *names, size_t count, struct faces *faces, struct error *err);
void faces_release(struct faces *faces);

#endif
