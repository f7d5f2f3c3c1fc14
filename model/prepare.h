/* A photograph's bytes -> the network's input: decode, orient, detect, align, normalise. One
 * preparer per thread. */
#ifndef FACEPAIR_MODEL_PREPARE_H
#define FACEPAIR_MODEL_PREPARE_H

#include "model/card.h"
#include "model/face/face.h"
#include "model/image/image.h"

struct preparer;

/* What was read once and is shared by all preparers. directory: the data directory (its face/ holds
 * the shape predictor). */
struct prepare_shared;
enum status prepare_shared_open(const char *data_directory, struct prepare_shared **shared,
                                struct error *err);
void prepare_shared_close(struct prepare_shared *shared);

struct preparer *preparer_create(const struct prepare_shared *shared); /* NULL: out of memory */
void preparer_destroy(struct preparer *preparer);

/* What is told of a photograph. Coordinates are of the upright full-resolution image. */
struct prepared {
    struct image_info info; /* filled when the header could be read, also on failure; else zero */
    struct face face;
    uint64_t decode_us, detect_us, align_us;
};

/* What to do with a photograph in which no face is found. The service always refuses. */
enum prepare_no_face { PREPARE_REJECT, PREPARE_CENTRE };

/* input (3, side, side) float32, normalised as card_input says, written only on STATUS_OK. Errors
 * are model/image's and model/face's. */
enum status prepare_face(struct preparer *preparer, const struct card_input *input,
                         const struct image_limits *limits, const uint8_t *bytes, size_t size,
                         enum face_choice choice, enum prepare_no_face no_face, float *out,
                         struct prepared *prepared, struct error *err);

#endif
