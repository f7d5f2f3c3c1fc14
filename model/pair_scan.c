/* All pairs of images, fast and the same on any number of threads.
 *
 * Tiles. Neighbouring people are gathered into tiles of at least 32 images (a person is never cut).
 * Each pair of tiles is one block; a block's inputs, 2 × 32 embeddings of 128 doubles, fit the
 * second-level cache, so that the cost is arithmetic: 128 subtractions and multiply-adds a pair.
 * The distance is computed from the differences and in double. By ‖a‖² + ‖b‖² − 2ab in float it
 * would be three times as fast, but wrong by 1e-6 near a threshold, and then no figure could be
 * checked to the last pair.
 *
 * Layout. A tile's embeddings stand twice, in groups of 4 images for rows and of 8 for columns, the
 * components of a group interleaved, padded with zeros: the inner loop handles 4 × 8 pairs with
 * eight sums in vector registers and reads memory in order.
 *
 * Threads. Row tile i belongs to lane i mod 32; a thread takes the next lane until none is left. A
 * lane's blocks come in a fixed order and its results are kept apart, to be added lane by lane:
 * sums of doubles do not depend on which thread ran when.
 */
#include "model/pair_scan.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TILE_IMAGES_MIN = 32, ROWS = 4, COLUMNS = 8 };

typedef double vector __attribute__((vector_size(32)));

struct tile {
    uint32_t people[2], first, images; /* images: without the padding */
    size_t offset;                     /* of its values in rows and columns */
};

struct scan {
    const struct gallery *gallery;
    const struct pair_visitor *visitor;
    double per_unit;
    struct tile *tiles;
    uint32_t tiles_count, images_padded_max;
    double *rows, *columns; /* interleaved copies */
};

/* ---- layout ---- */

static uint32_t padded(uint32_t images) { return (images + COLUMNS - 1) / COLUMNS * COLUMNS; }

static size_t cut_tiles(struct scan *scan) {
    const struct gallery *gallery = scan->gallery;
    size_t offset = 0;
    for (uint32_t person = 0; person < gallery->people;) {
        struct tile *tile = &scan->tiles[scan->tiles_count++];
        *tile = (struct tile){
            .people = {person, person}, .first = gallery->first[person], .offset = offset};
        while (person < gallery->people && tile->images < TILE_IMAGES_MIN)
            tile->images += gallery_images_of(gallery, person++);
        tile->people[1] = person;
        offset += (size_t)padded(tile->images) * gallery->length;
        if (padded(tile->images) > scan->images_padded_max)
            scan->images_padded_max = padded(tile->images);
    }
    return offset;
}

/* Image i of a tile, component k -> group i ÷ size, then component, then place in the group. */
static void interleave(const struct gallery *gallery, const struct tile *tile, uint32_t size,
                       double *values) {
    for (uint32_t i = 0; i < tile->images; i++) {
        const float *embedding = gallery->embeddings + (size_t)(tile->first + i) * gallery->length;
        double *group = values + tile->offset + (size_t)(i / size) * size * gallery->length;
        for (uint32_t k = 0; k < gallery->length; k++)
            group[(size_t)k * size + i % size] = (double)embedding[k];
    }
}

static double *aligned_zeros(size_t count) {
    double *values = aligned_alloc(sizeof(vector), (count * sizeof(double) + 31) / 32 * 32 + 32);
    if (values)
        memset(values, 0, count * sizeof(double));
    return values;
}

static enum status lay_out(struct scan *scan, struct error *err) {
    scan->tiles = calloc(scan->gallery->people, sizeof(*scan->tiles));
    if (!scan->tiles)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    size_t values = cut_tiles(scan);
    scan->rows = aligned_zeros(values);
    scan->columns = aligned_zeros(values);
    if (!scan->rows || !scan->columns)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    for (uint32_t i = 0; i < scan->tiles_count; i++) {
        interleave(scan->gallery, &scan->tiles[i], ROWS, scan->rows);
        interleave(scan->gallery, &scan->tiles[i], COLUMNS, scan->columns);
    }
    return STATUS_OK;
}

/* ---- distances ---- */

/* rows (length, ROWS), columns (length, COLUMNS) -> bins (ROWS, COLUMNS) with the stride. */
static void bins_of_group(const double *rows, const double *columns, uint32_t length,
                          double per_unit, uint16_t *bins, size_t stride) {
    union {
        vector vectors[ROWS][2];
        double values[ROWS][COLUMNS];
    } sum;
    vector sums[ROWS][2] = {0};
    for (uint32_t k = 0; k < length; k++) {
        const vector *column = (const vector *)(columns + (size_t)k * COLUMNS);
        for (int i = 0; i < ROWS; i++) {
            vector left = rows[(size_t)k * ROWS + i] - column[0];
            vector right = rows[(size_t)k * ROWS + i] - column[1];
            sums[i][0] += left * left;
            sums[i][1] += right * right;
        }
    }
    memcpy(sum.vectors, sums, sizeof(sums));
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++)
            bins[(size_t)i * stride + j] = (uint16_t)(int32_t)(sqrt(sum.values[i][j]) * per_unit);
}

static void bins_of_block(const struct scan *scan, const struct tile *row,
                          const struct tile *column, uint16_t *bins, size_t stride) {
    uint32_t length = scan->gallery->length;
    for (uint32_t i = 0; i < row->images; i += ROWS)
        for (uint32_t j = 0; j < column->images; j += COLUMNS)
            bins_of_group(scan->rows + row->offset + (size_t)i * length,
                          scan->columns + column->offset + (size_t)j * length, length,
                          scan->per_unit, bins + i * stride + j, stride);
}

/* The blocks of row tile i. */
static bool scan_row(const struct scan *scan, unsigned lane, uint32_t i, uint16_t *bins) {
    const struct pair_visitor *visitor = scan->visitor;
    const struct tile *row = &scan->tiles[i];
    size_t stride = scan->images_padded_max;
    struct pair_block block = {.gallery = scan->gallery,
                               .row_people = {row->people[0], row->people[1]},
                               .first_row = row->first,
                               .bins = bins,
                               .stride = stride};
    for (uint32_t j = i; j < scan->tiles_count; j++) {
        const struct tile *column = &scan->tiles[j];
        bins_of_block(scan, row, column, bins, stride);
        block.column_people[0] = column->people[0];
        block.column_people[1] = column->people[1];
        block.first_column = column->first;
        if (!visitor->visit(visitor->context, lane, &block))
            return false;
    }
    return !visitor->row_done || visitor->row_done(visitor->context, lane, &block);
}

static bool scan_lane(void *context, unsigned lane, struct crew_shift *shift) {
    const struct scan *scan = context;
    size_t stride = scan->images_padded_max;
    uint16_t *bins = malloc(stride * stride * sizeof(*bins));
    bool well = bins != NULL;
    for (uint32_t i = lane; well && i < scan->tiles_count; i += ALL_PAIRS_LANES) {
        well = scan_row(scan, lane, i, bins);
        if (!crew_goes_on(shift))
            break;
    }
    free(bins);
    return well;
}

/* ---- the whole ---- */

enum status pair_scan_resolution(const struct gallery *gallery, double *per_unit,
                                 struct error *err) {
    double longest = 0;
    for (uint32_t i = 0; i < gallery_images(gallery); i++) {
        double square = 0;
        for (uint32_t k = 0; k < gallery->length; k++) {
            double value = (double)gallery->embeddings[(size_t)i * gallery->length + k];
            square += value * value;
        }
        if (!isfinite(square))
            return error_set(err, STATUS_INVALID_FIELD, "an embedding is not finite");
        longest = fmax(longest, sqrt(square));
    }
    *per_unit = distance_resolution(2 * longest); /* no two are farther apart */
    return STATUS_OK;
}

enum status pair_scan(const struct gallery *gallery, double per_unit, const struct crew *crew,
                      const struct pair_visitor *visitor, struct error *err) {
    struct scan scan = {.gallery = gallery, .visitor = visitor, .per_unit = per_unit};
    enum status status = lay_out(&scan, err);
    if (status == STATUS_OK)
        status = crew_run(crew, ALL_PAIRS_LANES, scan_lane, &scan, err);
    free(scan.tiles);
    free(scan.rows);
    free(scan.columns);
    return status;
}
