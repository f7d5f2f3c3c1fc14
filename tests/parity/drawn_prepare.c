#include "model/prepare.h"
#include "model/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS = 8 };
static const double LIKENESS = 0.75;

struct prepare_shared {
    int unused;
};
struct preparer {
    int unused;
};

enum status prepare_shared_open(const char *data_directory, struct prepare_shared **shared,
                                struct error *err) {
    (void)data_directory;
    *shared = calloc(1, sizeof(**shared));
    return *shared ? STATUS_OK : error_set(err, STATUS_INTERNAL, "out of memory");
}
void prepare_shared_close(struct prepare_shared *shared) { free(shared); }

struct preparer *preparer_create(const struct prepare_shared *shared) {
    (void)shared;
    return calloc(1, sizeof(struct preparer));
}
void preparer_destroy(struct preparer *preparer) { free(preparer); }

/* −1 … 1 */
static double draw(struct random_generator *generator) {
    return (double)(random_bits(generator) >> 40) / (1 << 23) - 1;
}

static void draw_face(unsigned person, unsigned image, uint32_t side, float *out) {
    struct random_generator persons = random_seeded(person);
    struct random_generator own = random_seeded((uint64_t)person << 32 | image);
    double cells[3 * CELLS * CELLS];
    for (int i = 0; i < 3 * CELLS * CELLS; i++) {
        double shared = draw(&persons);
        cells[i] = LIKENESS * shared + (1 - LIKENESS) * draw(&own);
    }
    for (uint32_t c = 0; c < 3; c++)
        for (uint32_t y = 0; y < side; y++)
            for (uint32_t x = 0; x < side; x++)
                out[(c * side + y) * side + x] =
                    (float)cells[(c * CELLS + y * CELLS / side) * CELLS + x * CELLS / side];
}

enum status prepare_face(struct preparer *preparer, const struct card_input *input,
                         const struct image_limits *limits, const uint8_t *bytes, size_t size,
                         enum face_choice choice, enum prepare_no_face no_face, float *out,
                         struct prepared *prepared, struct error *err) {
    unsigned person, image;
    char text[32];
    (void)preparer, (void)limits, (void)choice, (void)no_face;
    *prepared = (struct prepared){0};
    snprintf(text, sizeof(text), "%.*s", (int)size, (const char *)bytes);
    if (strcmp(text, "no face") == 0)
        return error_set(err, STATUS_NO_FACE, "no face");
    if (sscanf(text, "%u %u", &person, &image) != 2)
        return error_set(err, STATUS_INVALID_IMAGE, "not an image");
    draw_face(person, image, input->side, out);
    return STATUS_OK;
}
