/* Many photographs on disk -> the network's inputs or embeddings, on every core, a window at a
 * time: for whoever measures or trains. */
#ifndef FACEPAIR_MODEL_PHOTOGRAPHS_H
#define FACEPAIR_MODEL_PHOTOGRAPHS_H

#include "model/go_on.h"
#include "model/model_version.h"
#include "model/prepare.h"

struct photograph {
    const char *name;      /* borrowed: a path, below `directory` when there is one */
    enum status status;    /* of reading and preparing it */
    struct error error;    /* names the photograph */
    struct prepared about; /* about.face.score is 0 for a face that was not detected */
};

struct photographs_options {
    const char *data;      /* the data directory, for the landmarks */
    const char *directory; /* NULL: the names are paths */
    unsigned threads;      /* ≥ 1 */
    enum face_choice face;
    enum prepare_no_face no_face;
    /* Told as they are done. NULL: nobody. */
    void (*progress)(void *context, size_t done, size_t total);
    void *context;
    struct go_on go_on; /* asked after each photograph and each batch that is embedded */
};

/* What becomes of a window: inputs (n, 3, side, side) of those photographs that could be prepared,
 * in their order, and which they are. Borrowed for the call. */
struct photographs_taker {
    enum status (*take)(void *context, const float *inputs, const size_t *which, size_t n,
                        struct error *err);
    void *context;
};

/* Prepares photographs (name set): each one's outcome is in its status. take is called on the
 * calling thread for every window, with n = 0 too; what it fails with ends it all. Holds at most a
 * window of inputs at a time, whatever count is, and the windows are the same on every machine.
 * STATUS_INTERNAL when the landmarks cannot be read or memory runs out; STATUS_DRAINING. */
enum status photographs_prepare(const struct photographs_options *options,
                                const struct card_input *input, struct photograph *photographs,
                                size_t count, const struct photographs_taker *taker,
                                struct error *err);

/* Prepares and embeds photographs (name set) in the version: each one's outcome is in its status,
 * and where that is STATUS_OK its row of embeddings (count, embedding_length) is filled.
 * STATUS_INTERNAL when the network or the landmarks fail; STATUS_DRAINING. */
enum status photographs_embed(const struct photographs_options *options,
                              const struct model_version *version, struct photograph *photographs,
                              size_t count, float *embeddings, struct error *err);

/* True when the photograph could be read, but not the face asked for found in it. */
bool photograph_lacks_face(const struct photograph *photograph);

#endif
