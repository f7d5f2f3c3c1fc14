#include "model/master_face.h"

#include "model/decision.h"
#include "model/typical.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

static const double DEFAULT_FMR = 0.001; /* the service's default rule */
enum { REACH_MAX = 512 };                /* pixels of a blur to one side */

double master_face_rate(const struct gallery *gallery, const float *embedding, double threshold) {
    double rate = 0;
    for (uint32_t person = 0; person < gallery->people; person++) {
        uint32_t matched = 0;
        for (uint32_t i = gallery->first[person]; i < gallery->first[person + 1]; i++)
            matched +=
                decision_distance(embedding, gallery->embeddings + (size_t)i * gallery->length,
                                  gallery->length) < threshold;
        rate += (double)matched / gallery_images_of(gallery, person);
    }
    return rate / gallery->people;
}

enum status master_faces_begin(const struct gallery *gallery, const struct card *card,
                               struct master_faces *faces, struct error *err) {
    struct decision decision;
    *faces = (struct master_faces){.checked = decision_typical_known(card)};
    if (decision_by_max_fmr(card, DEFAULT_FMR, &decision, NULL) != STATUS_OK)
        return STATUS_OK;
    float *mean = calloc(gallery->length, sizeof(*mean));
    enum status status =
        mean ? typical_mean(gallery, mean, err) : error_set(err, STATUS_INTERNAL, "out of memory");
    if (status == STATUS_OK) {
        faces->threshold = decision.threshold;
        faces->mean_rate = master_face_rate(gallery, mean, decision.threshold);
        faces->mean_refused = decision_atypical(card, mean);
    }
    free(mean);
    return status;
}

void master_face_add(struct master_face *face, const struct gallery *gallery,
                     const struct card *card, double threshold, const float *embedding) {
    double rate = master_face_rate(gallery, embedding, threshold);
    face->rate += (rate - face->rate) / ++face->tried;
    face->rate_max = fmax(face->rate_max, rate);
    face->refused += decision_atypical(card, embedding);
}

void master_face_average(const float *inputs, const uint32_t *chosen, uint32_t count, uint32_t side,
                         float *out) {
    size_t values = (size_t)3 * side * side;
    for (size_t i = 0; i < values; i++) {
        double sum = 0;
        for (uint32_t face = 0; face < count; face++)
            sum += (double)inputs[chosen[face] * values + i];
        out[i] = (float)(sum / count);
    }
}

/* A line of `count` values, `stride` apart. kernel (reach + 1): the middle and one side. */
static void blur_line(const float *from, size_t stride, uint32_t count, const double *kernel,
                      int reach, float *to) {
    for (int i = 0; i < (int)count; i++) {
        double sum = kernel[0] * (double)from[(size_t)i * stride];
        for (int k = 1; k <= reach; k++) {
            int before = i - k > 0 ? i - k : 0;
            int after = i + k < (int)count ? i + k : (int)count - 1;
            sum += kernel[k] *
                   ((double)from[(size_t)before * stride] + (double)from[(size_t)after * stride]);
        }
        to[(size_t)i * stride] = (float)sum;
    }
}

void master_face_blur(const float *input, uint32_t side, double sigma, float *scratch, float *out) {
    double kernel[REACH_MAX + 1], sum = 0;
    int reach = (int)ceil(3 * sigma);
    assert(side > 0 && reach > 0 && reach <= REACH_MAX);
    for (int k = 0; k <= reach; k++) {
        kernel[k] = exp(-k * k / (2 * sigma * sigma));
        sum += k ? 2 * kernel[k] : kernel[k];
    }
    for (int k = 0; k <= reach; k++)
        kernel[k] /= sum;
    for (size_t row = 0; row < (size_t)3 * side; row++)
        blur_line(input + row * side, 1, side, kernel, reach, scratch + row * side);
    for (size_t column = 0; column < (size_t)3 * side; column++) {
        size_t first = column / side * side * side + column % side;
        blur_line(scratch + first, side, side, kernel, reach, out + first);
    }
}
