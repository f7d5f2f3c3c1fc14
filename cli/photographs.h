/* Photographs on disk -> embeddings, with every core: for `evaluate` and `verify`. */
#ifndef FACEPAIR_CLI_PHOTOGRAPHS_H
#define FACEPAIR_CLI_PHOTOGRAPHS_H

#include "cli/session.h"
#include "model/prepare.h"

struct photograph {
    const char *name;      /* borrowed: a path, below `directory` when there is one */
    enum status status;    /* of reading and preparing it */
    struct error error;    /* names the photograph */
    struct prepared about; /* about.face.score is 0 for a face that was not detected */
};

struct photographs_options {
    const char *directory; /* NULL: the names are paths */
    enum face_choice face;
    enum prepare_no_face no_face;
    /* Called as they are done; NULL: not. */
    void (*progress)(size_t done, size_t total);
};

/* Prepares and embeds photographs (name set) in the session's version: each one's outcome is in its
 * status, and where that is STATUS_OK its row of embeddings (count, embedding_length) is filled.
 * Holds at most a window of prepared inputs at a time, whatever count is. STATUS_INTERNAL when the
 * network or the landmarks fail. */
enum status photographs_embed(struct session *session, const struct photographs_options *options,
                              struct photograph *photographs, size_t count, float *embeddings,
                              struct error *err);

/* True when the photograph could be read, but not the face asked for found in it. */
bool photograph_lacks_face(const struct photograph *photograph);

#endif
