/* One photograph of a request: from its bytes to the network's input, on a pool thread. */
#ifndef FACEPAIR_API_PHOTO_H
#define FACEPAIR_API_PHOTO_H

#include "api/work.h"
#include "model/json.h"
#include "model/prepare.h"

struct photo {
    struct pool_task task; /* first: the pool's own */
    struct loop_message message;
    struct work *work;
    unsigned index; /* 0: image1 */
    enum face_choice choice;
    float *input;                          /* (3, side, side) of work->version, the endpoint's */
    void (*returned)(struct photo *photo); /* on the loop */
    struct prepared prepared;
    uint64_t taken_us, done_us; /* the pool thread's begin and end */
    enum status status;         /* DEADLINE_EXCEEDED, also when the client left: nothing was done */
    struct error error;
};

/* work, index, choice, input and returned are set, and the work holds a place in the pool's queue
 * for it. The image is overwritten and released by the pool thread. */
void photo_submit(struct photo *photo);
/* What is told of it: an object of this name, or an item of a list. */
void photo_write(struct json_writer *json, const char *name, const struct photo *photo);

#endif
