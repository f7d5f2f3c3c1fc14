/* Many labelled photographs -> embeddings, for the subcommands that measure: what was found in them
 * is counted, and one that cannot be read stops the measurement. */
#ifndef FACEPAIR_CLI_FACES_H
#define FACEPAIR_CLI_FACES_H

#include "cli/session.h"
#include "model/photographs.h"

/* The words of --face and --no-face, in the order of their indexes below. */
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

/* names: paths below the directory, borrowed. Shows a bar when stderr is a terminal. On STATUS_OK
 * the caller releases it. */
enum status faces_embed(struct session *session, const struct faces_options *options,
                        char *const *names, size_t count, struct faces *faces, struct error *err);
void faces_release(struct faces *faces);

#endif
