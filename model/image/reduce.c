/* Shrinking by a whole divisor, row by row: every pixel of the result is the mean of its square of
 * source pixels (a smaller rectangle at the right and bottom edges), rounded to nearest. This gives
 * PNG what the scaled inverse DCT gives JPEG: a picture of 50 megapixels never stands in memory
 * whole. */
#include "model/image/codec.h"
#include "server/wipe.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static uint32_t divided(uint32_t length, unsigned divisor) {
    return length / divisor + (length % divisor != 0);
}

enum status image_reducer_open(uint32_t width, uint32_t height, unsigned divisor,
                               struct image_reducer *reducer, struct image_raster *target,
                               struct error *err) {
    /* A sum of divisor² bytes fits 16 bits. */
    assert(divisor >= 1 && divisor <= 8);
    *reducer = (struct image_reducer){.target = target, .width = width, .divisor = divisor};
    enum status status =
        image_raster_create(divided(width, divisor), divided(height, divisor), target, err);
    if (status != STATUS_OK)
        return status;
    reducer->sums = calloc((size_t)target->width * 3, sizeof *reducer->sums);
    reducer->row = malloc((size_t)width * 3);
    if (!reducer->sums || !reducer->row)
        return error_set(err, STATUS_INTERNAL, "%s", image_no_memory);
    return STATUS_OK;
}

void image_reducer_close(struct image_reducer *reducer) {
    wipe_and_free(reducer->row);
    wipe_and_free(reducer->sums);
    *reducer = (struct image_reducer){0};
}

static void add_to_sums(struct image_reducer *reducer, const uint8_t *rgb) {
    uint16_t *sums = reducer->sums;
    uint32_t x = 0;
    while (x < reducer->width) {
        unsigned red = 0, green = 0, blue = 0;
        for (unsigned k = 0; k < reducer->divisor && x < reducer->width; k++, x++, rgb += 3) {
            red += rgb[0];
            green += rgb[1];
            blue += rgb[2];
        }
        sums[0] = (uint16_t)(sums[0] + red);
        sums[1] = (uint16_t)(sums[1] + green);
        sums[2] = (uint16_t)(sums[2] + blue);
        sums += 3;
    }
}

void image_reducer_flush(struct image_reducer *reducer) {
    struct image_raster *target = reducer->target;
    if (reducer->rows_summed == 0)
        return;
    assert(reducer->rows_written < target->height);
    uint8_t *rgb = target->rgb + (size_t)reducer->rows_written * target->width * 3;
    uint16_t *sums = reducer->sums;
    for (uint32_t x = 0; x < target->width; x++, rgb += 3, sums += 3) {
        uint32_t left = reducer->width - x * reducer->divisor;
        unsigned count = (left < reducer->divisor ? left : reducer->divisor) * reducer->rows_summed;
        for (int c = 0; c < 3; c++) {
            rgb[c] = (uint8_t)((sums[c] + count / 2) / count);
            sums[c] = 0;
        }
    }
    reducer->rows_written++;
    reducer->rows_summed = 0;
}

void image_reducer_add(struct image_reducer *reducer, const uint8_t *rgb) {
    add_to_sums(reducer, rgb);
    if (++reducer->rows_summed == reducer->divisor)
        image_reducer_flush(reducer);
}

enum status image_reduce(struct image_raster *raster, unsigned divisor, struct error *err) {
    struct image_reducer reducer;
    struct image_raster target = {.spare = raster->spare};
    enum status status =
        image_reducer_open(raster->width, raster->height, divisor, &reducer, &target, err);
    if (status == STATUS_OK) {
        for (uint32_t y = 0; y < raster->height; y++)
            image_reducer_add(&reducer, raster->rgb + (size_t)y * raster->width * 3);
        image_reducer_flush(&reducer);
        image_raster_release(raster);
        *raster = target;
    } else {
        image_raster_release(&target);
    }
    image_reducer_close(&reducer);
    return status;
}
