/* RGB -> grey at another size, one source row at a time, so that the memory needed is the result's
 * and not the photograph's.
 *
 * Reduction. Output column x covers the source interval [x·W/w, (x+1)·W/w). With the running sum
 * S(t) = Σ_{i<t} g_i, continued linearly inside a pixel, the integral over the interval is the
 * difference of two values of S, whatever the ratio. Rows are weighted by how much of each falls
 * into the output row, and the total is divided by the area.
 *
 * Enlargement. Output pixel centre x + ½ lies at (x + ½)·W/w − ½ of the source; between the two
 * nearest source pixels the value is linear, beyond the first and last it is theirs.
 */
#include "model/face/grey.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One axis of the scaler: where output i begins (reduction) or lies (enlargement) in the source. */
struct step {
    uint32_t index;
    float fraction;
};

static bool reserve(void **memory, size_t *capacity, size_t size) {
    if (*capacity >= size)
        return true;
    void *larger = malloc(size);
    if (!larger)
        return false;
    if (*memory)
        explicit_bzero(*memory, *capacity);
    free(*memory);
    *memory = larger;
    *capacity = size;
    return true;
}

static void grey_row(const uint8_t *restrict rgb, uint32_t width, uint8_t *restrict out) {
    for (uint32_t x = 0; x < width; x++) {
        /* × 43691 >> 17 is ÷ 3 for all sums of three bytes. */
        uint32_t sum = (uint32_t)rgb[3 * x] + rgb[3 * x + 1] + rgb[3 * x + 2];
        out[x] = (uint8_t)(sum * 43691u >> 17);
    }
}

static void reduction_steps(struct step *steps, uint32_t from, uint32_t to) {
    for (uint32_t i = 0; i <= to; i++) {
        uint64_t at = (uint64_t)i * from;
        steps[i].index = (uint32_t)(at / to);
        steps[i].fraction = (float)(at % to) / (float)to;
    }
}

static void enlargement_steps(struct step *steps, uint32_t from, uint32_t to) {
    for (uint32_t i = 0; i < to; i++) {
        double at = ((double)i + 0.5) * (double)from / (double)to - 0.5;
        double low = floor(at < 0 ? 0 : at);
        steps[i].index = (uint32_t)low;
        steps[i].fraction = at < 0 ? 0 : (float)(at - low);
        if (steps[i].index >= from - 1) {
            steps[i].index = from - 1;
            steps[i].fraction = 0;
        }
    }
}

/* Source row y of the image as sums over the output's columns: sums (width). */
static void reduce_row(const struct image *image, uint32_t y, const struct step *columns,
                       uint32_t width, uint8_t *grey, uint32_t *running, float *sums) {
    grey_row(image->rgb + (size_t)y * image->width * 3, image->width, grey);
    running[0] = 0;
    for (uint32_t x = 0; x < image->width; x++)
        running[x + 1] = running[x] + grey[x];
    grey[image->width] = 0; /* the last interval ends at fraction 0 of a pixel past the row */
    uint32_t left = 0;
    float left_part = 0;
    for (uint32_t x = 0; x < width; x++) {
        struct step end = columns[x + 1];
        float right_part = end.fraction * (float)grey[end.index];
        sums[x] = (float)(running[end.index] - left) + right_part - left_part;
        left = running[end.index];
        left_part = right_part;
    }
}

static void add_weighted(float *restrict total, const float *restrict row, float weight,
                         uint32_t width) {
    for (uint32_t x = 0; x < width; x++)
        total[x] += weight * row[x];
}

static void store_row(uint8_t *restrict out, float *restrict total, float scale, uint32_t width) {
    for (uint32_t x = 0; x < width; x++) {
        out[x] = (uint8_t)fminf(255, total[x] * scale + 0.5f);
        total[x] = 0;
    }
}

/* Where the parts of the working memory lie. */
struct work {
    struct step *columns, *rows;
    uint32_t *running;
    float *sums, *total;
    uint8_t *grey, *grey_next;
};

static bool work_lay_out(struct grey *grey, const struct image *image, uint32_t width,
                         uint32_t height, struct work *work) {
    size_t steps = sizeof(struct step);
    size_t columns = ((size_t)width + 1) * steps, rows = ((size_t)height + 1) * steps;
    size_t running = ((size_t)image->width + 1) * sizeof(uint32_t);
    size_t sums = (size_t)width * sizeof(float);
    size_t greys = (size_t)image->width + 1;
    if (!reserve(&grey->rows, &grey->rows_capacity,
                 columns + rows + running + 2 * sums + 2 * greys))
        return false;
    char *at = grey->rows;
    work->columns = (struct step *)at, at += columns;
    work->rows = (struct step *)at, at += rows;
    work->running = (uint32_t *)at, at += running;
    work->sums = (float *)at, at += sums;
    work->total = (float *)at, at += sums;
    work->grey = (uint8_t *)at, at += greys;
    work->grey_next = (uint8_t *)at;
    return true;
}

static void reduce(const struct image *image, const struct work *work, uint8_t *out, size_t stride,
                   uint32_t width, uint32_t height) {
    reduction_steps(work->columns, image->width, width);
    reduction_steps(work->rows, image->height, height);
    memset(work->total, 0, width * sizeof *work->total);
    float scale = (float)((double)width * height / ((double)image->width * image->height));
    uint32_t y = 0;
    for (uint32_t i = 0; i < image->height; i++) {
        reduce_row(image, i, work->columns, width, work->grey, work->running, work->sums);
        struct step end = work->rows[y + 1];
        if (i < end.index) {
            add_weighted(work->total, work->sums, 1, width);
            if (!(i + 1 == end.index && end.fraction == 0))
                continue;
            store_row(out + y++ * stride, work->total, scale, width);
            continue;
        }
        /* The output row ends inside this source row: a part to it, the rest to the next. */
        add_weighted(work->total, work->sums, end.fraction, width);
        store_row(out + y++ * stride, work->total, scale, width);
        add_weighted(work->total, work->sums, 1 - end.fraction, width);
    }
    assert(y == height);
}

static void enlarge(const struct image *image, const struct work *work, uint8_t *out, size_t stride,
                    uint32_t width, uint32_t height) {
    enlargement_steps(work->columns, image->width, width);
    enlargement_steps(work->rows, image->height, height);
    for (uint32_t y = 0; y < height; y++) {
        uint32_t row = work->rows[y].index, next = row + (row + 1 < image->height);
        grey_row(image->rgb + (size_t)row * image->width * 3, image->width, work->grey);
        grey_row(image->rgb + (size_t)next * image->width * 3, image->width, work->grey_next);
        work->grey[image->width] = work->grey[image->width - 1];
        work->grey_next[image->width] = work->grey_next[image->width - 1];
        float down = work->rows[y].fraction;
        for (uint32_t x = 0; x < width; x++) {
            uint32_t i = work->columns[x].index;
            float across = work->columns[x].fraction;
            float upper = (1 - across) * work->grey[i] + across * work->grey[i + 1];
            float lower = (1 - across) * work->grey_next[i] + across * work->grey_next[i + 1];
            out[y * stride + x] = (uint8_t)((1 - down) * upper + down * lower + 0.5f);
        }
    }
}

/* Mean grey around the picture, so that a cut-off face gets an outline where a head would have one.
 */
static void fill_margins(struct grey *grey, uint32_t width, uint32_t height, uint32_t x,
                         uint32_t y) {
    size_t stride = grey->width;
    uint64_t sum = 0;
    for (uint32_t row = y; row < y + height; row++)
        for (uint32_t column = x; column < x + width; column++)
            sum += grey->pixels[row * stride + column];
    int mean = (int)(sum / ((uint64_t)width * height));
    memset(grey->pixels, mean, y * stride);
    memset(grey->pixels + (y + height) * stride, mean, y * stride);
    for (uint32_t row = y; row < y + height; row++) {
        uint8_t *line = grey->pixels + row * stride;
        memset(line, mean, x);
        memset(line + x + width, mean, x);
    }
}

bool grey_load_framed(struct grey *grey, const struct image *image, uint32_t width, uint32_t height,
                      uint32_t x, uint32_t y) {
    assert(width > 0 && height > 0 && image->width > 0 && image->height > 0);
    size_t full_width = (size_t)width + 2 * x, full_height = (size_t)height + 2 * y;
    struct work work;
    void *pixels = grey->pixels;
    bool reserved = reserve(&pixels, &grey->capacity, full_width * full_height);
    grey->pixels = pixels;
    if (!reserved || !work_lay_out(grey, image, width, height, &work))
        return false;
    grey->width = (uint32_t)full_width;
    grey->height = (uint32_t)full_height;
    uint8_t *out = grey->pixels + y * full_width + x;
    if (width == image->width && height == image->height)
        for (uint32_t row = 0; row < height; row++)
            grey_row(image->rgb + (size_t)row * width * 3, width, out + row * full_width);
    else if (width <= image->width && height <= image->height)
        reduce(image, &work, out, full_width, width, height);
    else
        enlarge(image, &work, out, full_width, width, height);
    if (x || y)
        fill_margins(grey, width, height, x, y);
    return true;
}

bool grey_load(struct grey *grey, const struct image *image, uint32_t width, uint32_t height) {
    return grey_load_framed(grey, image, width, height, 0, 0);
}

void grey_wipe(struct grey *grey) {
    if (grey->pixels)
        explicit_bzero(grey->pixels, (size_t)grey->width * grey->height);
    if (grey->rows)
        explicit_bzero(grey->rows, grey->rows_capacity);
}

void grey_release(struct grey *grey) {
    if (grey->pixels)
        explicit_bzero(grey->pixels, grey->capacity);
    if (grey->rows)
        explicit_bzero(grey->rows, grey->rows_capacity);
    free(grey->pixels);
    free(grey->rows);
    *grey = (struct grey){0};
}
