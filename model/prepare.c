/* One photograph at a time through decode, detect, align, normalise. The photograph's pixels are
 * overwritten as soon as the chip is cut, the chip as soon as the network's input is written.
 *
 * A network that takes whole frames sees the photograph itself: it is decoded a second time where
 * the detector's was a reduced one, because a picture reduced inside the decoder and then resized
 * is another picture than the one its transform makes. */
#include "model/prepare.h"

#include "model/image/resize.h"
#include "model/network/normalise.h"
#include "server/clock.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREPARE_PATH_MAX = 4096 };

/* Kept of pixels: those of a photograph in usual proportions whose long side is just below twice
 * what the detector wants, the most that is decoded; of 12 megapixels, also while it is turned. */
enum { PIXELS_KEPT_BYTES = 8 * 1024 * 1024 };

struct prepare_shared {
    struct face_shape *shape;
};

struct preparer {
    struct face_detector *detector;
    struct spare *spare; /* of pixels */
    uint8_t *chip; /* (side, side, 3) of the last input asked for: the chip, or the frame's crop */
    uint32_t chip_side;
};

enum status prepare_shared_open(const char *data_directory, struct prepare_shared **shared,
                                struct error *err) {
    char path[PREPARE_PATH_MAX];
    int length =
        snprintf(path, sizeof path, "%s/face/shape_predictor_5_face_landmarks.dat", data_directory);
    if (length < 0 || (size_t)length >= sizeof path)
        return error_set(err, STATUS_INTERNAL, "the data directory's path is too long");
    struct prepare_shared *opened = calloc(1, sizeof *opened);
    if (!opened)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    enum status status = face_shape_open(path, &opened->shape, err);
    if (status) {
        free(opened);
        return status;
    }
    *shared = opened;
    return STATUS_OK;
}

void prepare_shared_close(struct prepare_shared *shared) {
    if (!shared)
        return;
    face_shape_close(shared->shape);
    free(shared);
}

struct preparer *preparer_create(const struct prepare_shared *shared) {
    struct preparer *preparer = calloc(1, sizeof *preparer);
    if (!preparer)
        return NULL;
    preparer->detector = face_detector_create(shared->shape);
    preparer->spare = spare_create(PIXELS_KEPT_BYTES);
    if (!preparer->detector || !preparer->spare) {
        preparer_destroy(preparer);
        return NULL;
    }
    return preparer;
}

void preparer_destroy(struct preparer *preparer) {
    if (!preparer)
        return;
    face_detector_destroy(preparer->detector);
    spare_destroy(preparer->spare);
    free(preparer->chip);
    free(preparer);
}

static size_t chip_bytes(uint32_t side) { return (size_t)side * side * 3; }

static bool reserve_chip(struct preparer *preparer, uint32_t side) {
    if (preparer->chip && preparer->chip_side == side)
        return true;
    free(preparer->chip);
    preparer->chip = malloc(chip_bytes(side));
    preparer->chip_side = side;
    return preparer->chip != NULL;
}

/* A photograph under way. image: as the detector sees it. */
struct photograph {
    const uint8_t *bytes;
    size_t size;
    const struct image_limits *limits;
    struct image image;
};

static enum status cut_frame(const struct photograph *photo, const struct card_input *input,
                             uint8_t *rgb, struct error *err) {
    uint32_t short_side = (uint32_t)floor(input->side / input->crop_pct);
    const struct image *seen = &photo->image;
    if (seen->width == seen->info.width && seen->height == seen->info.height)
        return image_resize_crop(seen, short_side, input->side, rgb, err);
    struct image whole = {0};
    enum status status =
        image_decode(photo->bytes, photo->size, photo->limits, 0, seen->spare, &whole, err);
    if (!status)
        status = image_resize_crop(&whole, short_side, input->side, rgb, err);
    image_release(&whole);
    return status;
}

static enum status align(struct preparer *preparer, const struct card_input *input,
                         const struct photograph *photo, const struct face *face, float *out,
                         struct error *err) {
    enum status status =
        input->kind == CARD_INPUT_FRAME
            ? cut_frame(photo, input, preparer->chip, err)
            : face_chip(&photo->image, face, input->side, input->padding, preparer->chip, err);
    if (!status)
        normalise_chips(preparer->chip, 1, input->side, input->mean, input->std, out);
    explicit_bzero(preparer->chip, chip_bytes(input->side));
    return status;
}

/* From pixels of the decoded image to pixels of the upright full-resolution one. */
static void scale_face(struct face *face, const struct image *image) {
    double across = (double)image->info.width / image->width;
    double down = (double)image->info.height / image->height;
    face->x *= across;
    face->width *= across;
    face->y *= down;
    face->height *= down;
    for (int i = 0; i < FACE_LANDMARKS; i++) {
        face->landmarks[i][0] *= across;
        face->landmarks[i][1] *= down;
    }
}

enum status prepare_face(struct preparer *preparer, const struct card_input *input,
                         const struct image_limits *limits, const uint8_t *bytes, size_t size,
                         enum face_choice choice, enum prepare_no_face no_face, float *out,
                         struct prepared *prepared, struct error *err) {
    assert(input->side > 0 && (input->kind == CARD_INPUT_CHIP || input->crop_pct > 0));
    *prepared = (struct prepared){0};
    if (!reserve_chip(preparer, input->side))
        return error_set(err, STATUS_INTERNAL, "out of memory");

    uint64_t begun = clock_monotonic_us();
    struct photograph photo = {.bytes = bytes, .size = size, .limits = limits};
    struct image *image = &photo.image;
    enum status status =
        image_decode(bytes, size, limits, FACE_LONG_SIDE, preparer->spare, image, err);
    uint64_t decoded = clock_monotonic_us();
    prepared->decode_us = decoded - begun;
    if (status) {
        /* The header may be sound where the rest is not; what the decoder said stays. */
        if (image_probe(bytes, size, limits, &prepared->info, NULL))
            prepared->info = (struct image_info){0};
        return status;
    }
    prepared->info = image->info;

    status = face_find(preparer->detector, image, choice, &prepared->face, err);
    if (status == STATUS_NO_FACE && no_face == PREPARE_CENTRE)
        status = face_centre(preparer->detector, image, &prepared->face, err);
    uint64_t detected = clock_monotonic_us();
    prepared->detect_us = detected - decoded;

    if (!status)
        status = align(preparer, input, &photo, &prepared->face, out, err);
    if (!status)
        scale_face(&prepared->face, image);
    else
        prepared->face = (struct face){0};
    image_release(image);
    prepared->align_us = clock_monotonic_us() - detected;
    return status;
}
