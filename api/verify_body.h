/* The body of POST /v1/verify, multipart or JSON -> the same struct, all faults at once. Knows no
 * connection. */
#ifndef FACEPAIR_API_VERIFY_BODY_H
#define FACEPAIR_API_VERIFY_BODY_H

#include "api/faults.h"
#include "api/verify_options.h"
#include "server/http/request.h"

extern const char *const VERIFY_IMAGE_FIELDS[3]; /* "image1", "image2", NULL */

struct verify_image {
    const uint8_t *bytes; /* NULL: absent; a part of the request's body, or `owned` */
    size_t size;
    uint8_t *owned; /* decoded from base64; NULL with multipart */
};

struct verify_body {
    struct verify_options options;
    struct verify_image images[2];
};

/* The images borrow the parts' bytes. */
void verify_body_multipart(const struct http_part *parts, size_t count, struct verify_body *body,
                           struct faults *faults);
/* Takes time in proportion to the body: for a pool thread. bytes_max: of one decoded image. */
void verify_body_json(const uint8_t *json, size_t size, size_t bytes_max, struct verify_body *body,
                      struct faults *faults);
/* Overwrites and frees what the image owns. */
void verify_image_release(struct verify_image *image);

/* jansson frees base64 text like any other: from now on whatever it frees is overwritten first.
 * Once in a process, before any other thread. */
void verify_body_wipe_json(void);

/* Whether field names an image, and which: 0, 1, or -1. */
int verify_image_index(const char *field);
/* Both images are there, and the options agree with each other. */
void verify_body_check(const struct verify_body *body, struct faults *faults);

#endif
