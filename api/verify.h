/* POST /v1/verify: two photographs in, a decision out. One verification under way; everything that
 * it needs beyond api/work.h is in this struct or hangs on it. */
#ifndef FACEPAIR_API_VERIFY_H
#define FACEPAIR_API_VERIFY_H

#include "api/photo.h"
#include "api/verdict.h"

enum { VERIFY_PHOTOS = 2 };

struct verify {
    struct work work; /* first */
    struct verdict verdict;
    struct photo photos[VERIFY_PHOTOS];
    unsigned photos_waiting;
    size_t input_values; /* of one photograph: 3 × side × side; 0: overwritten already */
    float *inputs;       /* (2, 3, side, side) */
    float *embeddings;   /* (2, embedding_length) */
    struct batch_item pair;
    uint64_t prepared_us; /* both photographs are ready */
};

/* http_endpoint's admit; the other hooks are work_finish, work_abandon and work_release. */
enum status verify_admit(struct http_request *request, struct error *err);

/* The answer of a pair that was embedded: decision, JSON, metrics, reply. Loop thread. */
void verify_answer(struct verify *verify);

#endif
