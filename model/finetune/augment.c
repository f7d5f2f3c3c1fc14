/* Turning, scaling, moving and mirroring are one affine map about the centre, sampled between four
 * pixels. The colours of a pixel p in 0…255, with its grey g (Rec. 601) and the mean grey m of the
 * picture:
 *
 *     p ← g + saturation · (p − g);  p ← m + contrast · (p − m);  p ← brightness · p
 *
 * all three factors in 1 ± colour, and the result cut to 0…255. */
#include "model/finetune/augment.h"

#include "model/random.h"

#include <math.h>
#include <string.h>

struct draw {
    bool mirrored;
    double turn, scale; /* radians; factor */
    double right, down; /* of the side */
    double brightness, contrast, saturation;
};

/* −1 … 1 */
static double either_side(struct random_generator *generator) {
    return (double)(random_bits(generator) >> 11) / (double)(1ull << 52) - 1;
}

static struct draw draw_view(const struct finetune_augment *augment, uint64_t seed, uint32_t image,
                             uint32_t view) {
    struct random_generator mixed = random_seeded(seed);
    uint64_t own = random_bits(&mixed) ^ ((uint64_t)image << 32 | view);
    struct random_generator generator = random_seeded(own);
    struct draw draw;
    draw.mirrored = augment->flip && random_below(&generator, 2) == 1;
    draw.turn = augment->rotation_degrees * either_side(&generator) * 3.14159265358979324 / 180;
    draw.scale = 1 + augment->scale * either_side(&generator);
    draw.brightness = 1 + augment->colour * either_side(&generator);
    draw.contrast = 1 + augment->colour * either_side(&generator);
    draw.saturation = 1 + augment->colour * either_side(&generator);
    draw.right = augment->shift * either_side(&generator);
    draw.down = augment->shift * either_side(&generator);
    return draw;
}

static double clamp(double value, double low, double high) { return fmin(fmax(value, low), high); }

/* Where a pixel of the view comes from, and what stands there. */
static void move(const struct draw *draw, uint32_t side, const float *face, float *out) {
    double centre = (side - 1) / 2.0, last = side - 1;
    double across = cos(draw->turn) / draw->scale, down = sin(draw->turn) / draw->scale;
    size_t plane = (size_t)side * side;
    for (uint32_t y = 0; y < side; y++)
        for (uint32_t x = 0; x < side; x++) {
            double dx = (draw->mirrored ? centre - x : x - centre) - draw->right * side;
            double dy = y - centre - draw->down * side;
            double from_x = clamp(centre + across * dx + down * dy, 0, last);
            double from_y = clamp(centre - down * dx + across * dy, 0, last);
            uint32_t left = (uint32_t)from_x, top = (uint32_t)from_y;
            uint32_t right = left + (left + 1 < side), bottom = top + (top + 1 < side);
            float wx = (float)(from_x - left), wy = (float)(from_y - top);
            for (int c = 0; c < 3; c++) {
                const float *p = face + c * plane;
                float upper = p[top * side + left] * (1 - wx) + p[top * side + right] * wx;
                float lower = p[bottom * side + left] * (1 - wx) + p[bottom * side + right] * wx;
                out[c * plane + (size_t)y * side + x] = upper * (1 - wy) + lower * wy;
            }
        }
}

static double grey_of(const struct card_input *input, const float *pixel, size_t plane) {
    static const double SHARES[3] = {0.299, 0.587, 0.114};
    double grey = 0;
    for (int c = 0; c < 3; c++)
        grey +=
            SHARES[c] * ((double)pixel[c * plane] * (double)input->std[c] + (double)input->mean[c]);
    return grey;
}

static void colour(const struct draw *draw, const struct card_input *input, float *face) {
    size_t plane = (size_t)input->side * input->side;
    double mean = 0;
    for (size_t i = 0; i < plane; i++)
        mean += grey_of(input, face + i, plane) / (double)plane;
    for (size_t i = 0; i < plane; i++) {
        double grey = grey_of(input, face + i, plane);
        for (int c = 0; c < 3; c++) {
            double std = (double)input->std[c], offset = (double)input->mean[c];
            double p = (double)face[c * plane + i] * std + offset;
            p = grey + draw->saturation * (p - grey);
            p = draw->brightness * (mean + draw->contrast * (p - mean));
            face[c * plane + i] = (float)((clamp(p, 0, 255) - offset) / std);
        }
    }
}

void augment_view(const struct finetune_augment *augment, const struct card_input *input,
                  uint64_t seed, uint32_t image, uint32_t view, const float *face, float *out) {
    if (view == 0) {
        memcpy(out, face, (size_t)3 * input->side * input->side * sizeof(*out));
        return;
    }
    const struct draw draw = draw_view(augment, seed, image, view);
    move(&draw, input->side, face, out);
    if (augment->colour > 0)
        colour(&draw, input, out);
}
