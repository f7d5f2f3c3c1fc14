/* The grey picture that the detector looks at, at the size that the search asks for.
 *
 * Grey is (R + G + B) / 3 rounded down, as dlib's get_pixel_intensity. One buffer is reused for
 * all sizes: its memory follows the largest size asked for, which the search bounds.
 */
#ifndef FACEPAIR_MODEL_FACE_GREY_H
#define FACEPAIR_MODEL_FACE_GREY_H

#include "model/image/image.h"

#include <stdbool.h>

struct grey {
    uint8_t *pixels; /* (height, width), rows without padding; owned */
    size_t capacity;
    uint32_t width, height;
    /* Working rows of the scaler. */
    void *rows;
    size_t rows_capacity;
};

/* The picture at width × height: each reduced pixel is the mean of the area it covers; an enlarged
 * one is interpolated bilinearly. False: out of memory. */
bool grey_load(struct grey *grey, const struct image *image, uint32_t width, uint32_t height);

/* As grey_load, in the middle of a larger frame whose margins are the picture's mean grey: x
 * columns to the left and right, y rows above and below. */
bool grey_load_framed(struct grey *grey, const struct image *image, uint32_t width, uint32_t height,
                      uint32_t x, uint32_t y);

/* Overwrites the pixels; keeps the memory. */
void grey_wipe(struct grey *grey);
/* Overwrites and frees; a zeroed struct is allowed. */
void grey_release(struct grey *grey);

#endif
