/* Images of people who do not exist, and pairs of them: the twin of train/made_up.py, number for
 * number, so that a training can be compared with PyTorch's without its batches in a file. */
#ifndef FACEPAIR_TESTS_PARITY_MADE_UP_PEOPLE_H
#define FACEPAIR_TESTS_PARITY_MADE_UP_PEOPLE_H

#include "model/network/train.h"
#include "model/random.h"

enum {
    MADE_UP_PEOPLE = 8,
    MADE_UP_IMAGES = 4 /* of each */,
    MADE_UP_PAIRS_MAX = 8,
    MADE_UP_ROWS_MAX = 16
};

struct made_up_people {
    float *images; /* (people · images of each, 3, side, side) in [−1, 1) */
    size_t image_floats;
};

/* Squares of cell × cell pixels of one colour; cell divides side. */
struct made_up_people made_up_people_draw(uint64_t seed, uint32_t side, uint32_t cell);
void made_up_people_release(struct made_up_people *people);

/* Room for one batch, which borrows it. */
struct made_up_pairs {
    struct random_generator generator; /* random_seeded by the user */
    float *a, *b;       /* (MADE_UP_ROWS_MAX, image_floats), (MADE_UP_PAIRS_MAX, image_floats) */
    uint8_t *same;      /* (MADE_UP_PAIRS_MAX) */
    uint32_t *identity; /* (MADE_UP_ROWS_MAX) */
};

struct made_up_pairs made_up_pairs_create(uint64_t seed, const struct made_up_people *people);
void made_up_pairs_release(struct made_up_pairs *pairs);
/* The next n pairs; good until the next draw. */
struct network_train_batch made_up_pairs_draw(struct made_up_pairs *pairs,
                                              const struct made_up_people *people, uint32_t n);
/* The next n images, each of anyone: some people have several in the batch, some one, some none. */
struct network_train_batch made_up_people_batch(struct made_up_pairs *pairs,
                                                const struct made_up_people *people, uint32_t n);

#endif
