#include "tests/parity/made_up_people.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LIKENESS 0.75 /* how much of an image is its person's */

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    assert(memory);
    return memory;
}

/* count values in [−1, 1), exact in float. */
static void draw_grid(struct random_generator *generator, double *grid, size_t count) {
    for (size_t i = 0; i < count; i++)
        grid[i] = (double)(random_bits(generator) >> 40) / (1 << 23) - 1;
}

struct made_up_people made_up_people_draw(uint64_t seed, uint32_t side, uint32_t cell) {
    size_t row = side / cell, cells = 3 * row * row, floats = (size_t)3 * side * side;
    struct random_generator generator = random_seeded(seed);
    double *person = allocate(cells, sizeof(*person)), *own = allocate(cells, sizeof(*own));
    float *images = allocate(MADE_UP_PEOPLE * MADE_UP_IMAGES * floats, sizeof(*images));
    for (size_t image = 0; image < MADE_UP_PEOPLE * MADE_UP_IMAGES; image++) {
        if (image % MADE_UP_IMAGES == 0)
            draw_grid(&generator, person, cells);
        draw_grid(&generator, own, cells);
        for (size_t i = 0; i < floats; i++) {
            size_t x = i % side, y = i / side % side, channel = i / side / side;
            size_t at = (channel * row + y / cell) * row + x / cell;
            images[image * floats + i] = (float)(LIKENESS * person[at] + (1 - LIKENESS) * own[at]);
        }
    }
    free(person);
    free(own);
    return (struct made_up_people){.images = images, .image_floats = floats};
}

void made_up_people_release(struct made_up_people *people) { free(people->images); }

struct made_up_pairs made_up_pairs_create(uint64_t seed, const struct made_up_people *people) {
    return (struct made_up_pairs){
        .generator = random_seeded(seed),
        .a = allocate(MADE_UP_ROWS_MAX * people->image_floats, sizeof(float)),
        .b = allocate(MADE_UP_PAIRS_MAX * people->image_floats, sizeof(float)),
        .same = allocate(MADE_UP_PAIRS_MAX, sizeof(uint8_t)),
        .identity = allocate(MADE_UP_ROWS_MAX, sizeof(uint32_t)),
    };
}

void made_up_pairs_release(struct made_up_pairs *pairs) {
    free(pairs->a);
    free(pairs->b);
    free(pairs->same);
    free(pairs->identity);
}

static void copy_image(const struct made_up_people *people, float *batch, size_t index,
                       size_t image) {
    memcpy(batch + index * people->image_floats, people->images + image * people->image_floats,
           people->image_floats * sizeof(*batch));
}

struct network_train_batch made_up_pairs_draw(struct made_up_pairs *pairs,
                                              const struct made_up_people *people, uint32_t n) {
    assert(n <= MADE_UP_PAIRS_MAX);
    struct random_generator *generator = &pairs->generator;
    for (uint32_t i = 0; i < n; i++) {
        bool one = i % 2 == 0; /* pairs of one person and of two by turns */
        uint32_t person = random_below(generator, MADE_UP_PEOPLE);
        uint32_t image = random_below(generator, MADE_UP_IMAGES), other = person;
        if (!one)
            other = (person + 1 + random_below(generator, MADE_UP_PEOPLE - 1)) % MADE_UP_PEOPLE;
        uint32_t another =
            (image + 1 + random_below(generator, MADE_UP_IMAGES - 1)) % MADE_UP_IMAGES;
        copy_image(people, pairs->a, i, person * MADE_UP_IMAGES + image);
        copy_image(people, pairs->b, i, other * MADE_UP_IMAGES + another);
        pairs->same[i] = one;
    }
    return (struct network_train_batch){.n = n, .a = pairs->a, .b = pairs->b, .same = pairs->same};
}

struct network_train_batch made_up_people_batch(struct made_up_pairs *pairs,
                                                const struct made_up_people *people, uint32_t n) {
    assert(n <= MADE_UP_ROWS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        pairs->identity[i] = random_below(&pairs->generator, MADE_UP_PEOPLE);
        uint32_t image = random_below(&pairs->generator, MADE_UP_IMAGES);
        copy_image(people, pairs->a, i, pairs->identity[i] * MADE_UP_IMAGES + image);
    }
    return (struct network_train_batch){.n = n, .rows = pairs->a, .identity = pairs->identity};
}
