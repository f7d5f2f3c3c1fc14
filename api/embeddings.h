/* POST /v1/embeddings: 1 to 32 photographs in, a sealed token for each face out. One request under
 * way; a photograph that cannot be used is an error in its place, and the others are answered. */
#ifndef FACEPAIR_API_EMBEDDINGS_H
#define FACEPAIR_API_EMBEDDINGS_H

#include "api/photo.h"

struct embeddings;

/* One photograph and the face in it: to the pool, then by itself into a batch. */
struct embeddings_face {
    struct photo photo; /* first */
    struct embeddings *embeddings;
    struct loop_message message; /* back from the device worker */
    struct batch_item item;
    size_t input_bytes; /* of photo.input; 0: overwritten already */
    float *values;      /* (embedding_length), a row of embeddings->values */
};

struct embeddings {
    struct work work;               /* first */
    unsigned count, next;           /* photographs; the first that has not been given to the pool */
    unsigned photos_out, items_out; /* that have not come back */
    enum status failure;            /* other than OK: of the whole request; nothing new is begun */
    struct error error;
    struct embeddings_face *faces; /* (count) */
    float *values;                 /* (count, embedding_length) */
    char *text;                    /* the answer */
    size_t text_size;
};

/* http_endpoint's admit; the other hooks are work_finish, work_abandon and work_release. */
enum status embeddings_admit(struct http_request *request, struct error *err);

/* Seals the faces and writes the answer into text. Takes time in proportion to all components: for
 * a pool thread. */
void embeddings_write(struct embeddings *embeddings);

#endif
