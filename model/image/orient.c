/* EXIF orientation to upright.
 *
 * The tag says where the stored picture's first row and column belong (EXIF 2.32, 4.6.4):
 *
 *   1 row top,    column left    nothing          5 row left,  column top     transpose
 *   2 row top,    column right   mirror           6 row right, column top     quarter turn
 * clockwise 3 row bottom, column right   half turn        7 row right, column bottom  transpose,
 * half turn 4 row bottom, column left    flip             8 row left,  column bottom  quarter turn
 * back
 *
 * 2, 3 and 4 swap pixels in place. 5 to 8 exchange the axes, which needs a second buffer: it is
 * filled in square tiles, because a column of the source walked over its whole height would touch a
 * new cache line at every pixel.
 */
#include "model/image/codec.h"

#include <assert.h>
#include <string.h>

enum { TILE = 32 };

static void swap_pixels(uint8_t *a, uint8_t *b) {
    uint8_t kept[3];
    memcpy(kept, a, 3);
    memcpy(a, b, 3);
    memcpy(b, kept, 3);
}

static void reverse_pixels(uint8_t *rgb, size_t count) {
    if (count == 0)
        return;
    for (uint8_t *a = rgb, *b = rgb + (count - 1) * 3; a < b; a += 3, b -= 3)
        swap_pixels(a, b);
}

static void mirror(struct image_raster *raster) {
    size_t row_bytes = (size_t)raster->width * 3;
    for (uint32_t y = 0; y < raster->height; y++)
        reverse_pixels(raster->rgb + y * row_bytes, raster->width);
}

static void half_turn(struct image_raster *raster) {
    reverse_pixels(raster->rgb, (size_t)raster->width * raster->height);
}

/* Where source pixel (x, y) goes: origin + x × step_x + y × step_y, in bytes of the target. */
struct mapping {
    size_t origin;
    ptrdiff_t step_x, step_y;
};

static struct mapping map_exchanged(const struct image_raster *source, unsigned orientation) {
    ptrdiff_t row = (ptrdiff_t)source->height * 3;     /* the target is height pixels wide */
    bool down = orientation == 5 || orientation == 6;  /* the first column becomes the top row */
    bool right = orientation == 5 || orientation == 8; /* the first row becomes the left column */
    return (struct mapping){
        .origin = (down ? 0 : (size_t)(source->width - 1) * (size_t)row) +
                  (right ? 0 : (size_t)(source->height - 1) * 3),
        .step_x = down ? row : -row,
        .step_y = right ? 3 : -3,
    };
}

static void copy_tile(const struct image_raster *source, uint32_t x0, uint32_t y0,
                      const struct mapping *map, uint8_t *target) {
    uint32_t x1 = x0 + TILE < source->width ? x0 + TILE : source->width;
    uint32_t y1 = y0 + TILE < source->height ? y0 + TILE : source->height;
    for (uint32_t y = y0; y < y1; y++) {
        const uint8_t *from = source->rgb + ((size_t)y * source->width + x0) * 3;
        uint8_t *to =
            target + map->origin + (ptrdiff_t)y * map->step_y + (ptrdiff_t)x0 * map->step_x;
        for (uint32_t x = x0; x < x1; x++, from += 3, to += map->step_x)
            memcpy(to, from, 3);
    }
}

static enum status exchange_axes(struct image_raster *raster, unsigned orientation,
                                 struct error *err) {
    struct image_raster target = {.spare = raster->spare};
    enum status status = image_raster_create(raster->height, raster->width, &target, err);
    if (status != STATUS_OK)
        return status;
    struct mapping map = map_exchanged(raster, orientation);
    for (uint32_t y = 0; y < raster->height; y += TILE)
        for (uint32_t x = 0; x < raster->width; x += TILE)
            copy_tile(raster, x, y, &map, target.rgb);
    image_raster_release(raster);
    *raster = target;
    return STATUS_OK;
}

enum status image_orient(struct image_raster *raster, unsigned orientation, struct error *err) {
    assert(orientation >= 1 && orientation <= 8);
    switch (orientation) {
    case 1:
        return STATUS_OK;
    case 2:
        mirror(raster);
        return STATUS_OK;
    case 3:
        half_turn(raster);
        return STATUS_OK;
    case 4: /* a flip is a half turn of a mirrored picture */
        mirror(raster);
        half_turn(raster);
        return STATUS_OK;
    default:
        return exchange_axes(raster, orientation, err);
    }
}
