/* The body of a POST, multipart or JSON -> the same struct, all faults at once. Knows no
 * connection. What an endpoint's body may hold is its shape. */
#ifndef FACEPAIR_API_BODY_H
#define FACEPAIR_API_BODY_H

#include "api/faults.h"
#include "api/request_options.h"
#include "server/http/request.h"

enum { BODY_IMAGES_MAX = 32, BODY_EMBEDDINGS = 2 };

/* "image1", "image2", … and one more than may come, so that it is refused by its name; NULL. */
extern const char *const BODY_IMAGE_FIELDS[BODY_IMAGES_MAX + 2];
extern const char *const BODY_EMBEDDING_FIELDS[BODY_EMBEDDINGS]; /* "embedding1", "embedding2" */

struct body_shape {
    unsigned options;                /* OPTION_BIT()s */
    unsigned images_min, images_max; /* image1 on, without gaps */
    bool embeddings;                 /* embedding1 and embedding2; JSON only */
};

struct body_image {
    const uint8_t *bytes; /* NULL: absent; a part of the request's body, or `owned` */
    size_t size;
    uint8_t *owned; /* decoded from base64; NULL with multipart */
};

/* A token as it was sent, or components. */
struct body_embedding {
    char *token; /* owned; NULL: components */
    size_t token_size;
    float *values; /* owned, finite; NULL: a token, or absent */
    uint32_t length;
};

struct body {
    struct request_options options;
    unsigned images_count;
    struct body_image images[BODY_IMAGES_MAX];
    struct body_embedding embeddings[BODY_EMBEDDINGS];
};

/* The images borrow the parts' bytes. */
void body_read_multipart(const struct http_part *parts, size_t count,
                         const struct body_shape *shape, struct body *body, struct faults *faults);
/* Takes time in proportion to the body: for a pool thread. bytes_max: of one decoded image. */
void body_read_json(const uint8_t *json, size_t size, size_t bytes_max,
                    const struct body_shape *shape, struct body *body, struct faults *faults);
/* Overwrites and frees what the image, or the whole body, owns. */
void body_image_release(struct body_image *image);
void body_release(struct body *body);

/* For the two readers: which image or embedding the field names, from 0; −1: none. */
int body_image_index(const char *field, const struct body_shape *shape);
int body_embedding_index(const char *field, const struct body_shape *shape);
/* Whatever must be there is, and the options agree with each other. Sets images_count. */
void body_check(const struct body_shape *shape, struct body *body, struct faults *faults);

#endif
