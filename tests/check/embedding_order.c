/* In which order should a network's numbers become an embedding (model/network/finish.h)? Embeds
 * the learning people of a split with and without mirror images, and tries the ways below: a head
 * is learned on one half of the people and measured on the other, both ways round.
 *
 *     embedding_order MODEL PEOPLE_FILE SPLIT IMAGES [DATA]
 *
 * Prints FNMR at FMR 1e-2, 1e-3 and 1e-4 on all pairs of a half, weighted as model/all_pairs.h
 * tells, the mean of both halves. No threshold is carried over, so only the embedding is judged.
 * MODEL is a version without head, mirror and normalise. For dlib-resnet and the people of
 * peopleDevTrain.txt:
 *
 *     2007 people, 4399 images
 *                                 FMR 1e-2    1e-3    1e-4
 *     as the network gives it     0.0159  0.0767  0.3011
 *     L2                          0.0142  0.0610  0.2214
 *     mirror                      0.0125  0.0617  0.2559
 *     mirror, L2                  0.0126  0.0512  0.1854
 *     L2, mirror, L2              0.0126  0.0512  0.1855
 *     mirror, head                0.0139  0.0685  0.2595
 *     L2, head                    0.0172  0.0625  0.2188
 *     mirror, L2, head            0.0135  0.0520  0.1900
 *     L2, mirror, L2, head        0.0135  0.0520  0.1918
 *     mirror, L2, head, L2        0.0135  0.0519  0.1841
 *     mirror, centre, L2, head    0.0264  0.1410  0.4032
 *
 * The mean with the mirror image and L2 gain the most, and L2 belongs after the mean or makes no
 * difference before it; centring ruins it; L2 after the head gains nothing that matters. A head
 * learned from a thousand people, as here, gains nothing over L2 yet. */
#include "cli/session.h"
#include "model/all_pairs.h"
#include "model/measure/people_gallery.h"
#include "model/random.h"
#include "model/whitening.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RATES = 3, HALVES = 2 };
static const double FMR[RATES] = {1e-2, 1e-3, 1e-4};
static const unsigned CENTRE_FACE = 1; /* in FACES_WHICH */

/* What is done, in this order. */
struct way {
    const char *name;
    bool l2_each; /* before the mean: to the face and to its mirror image */
    bool mirror, centre, l2, head, l2_last;
};

static const struct way WAYS[] = {
    {.name = "as the network gives it"},
    {.name = "L2", .l2 = true},
    {.name = "mirror", .mirror = true},
    {.name = "mirror, L2", .mirror = true, .l2 = true},
    {.name = "L2, mirror, L2", .l2_each = true, .mirror = true, .l2 = true},
    {.name = "mirror, head", .mirror = true, .head = true},
    {.name = "L2, head", .l2 = true, .head = true},
    {.name = "mirror, L2, head", .mirror = true, .l2 = true, .head = true},
    {.name = "L2, mirror, L2, head", .l2_each = true, .mirror = true, .l2 = true, .head = true},
    {.name = "mirror, L2, head, L2", .mirror = true, .l2 = true, .head = true, .l2_last = true},
    {.name = "mirror, centre, L2, head", .mirror = true, .centre = true, .l2 = true, .head = true},
};

static void to_length_1(double *vector, uint32_t length) {
    double sum = 0;
    for (uint32_t k = 0; k < length; k++)
        sum += vector[k] * vector[k];
    for (uint32_t k = 0; k < length && sum > 0; k++)
        vector[k] /= sqrt(sum);
}

/* plain: the network's numbers; mean: those with the mirror image's, from which the mirror image's
 * own follow. */
static void combine(const struct way *way, const float *plain, const float *mean, uint32_t length,
                    double *vector) {
    double image[4096];
    for (uint32_t k = 0; k < length; k++) {
        vector[k] = (double)plain[k];
        image[k] = 2 * (double)mean[k] - (double)plain[k];
    }
    if (way->l2_each) {
        to_length_1(vector, length);
        to_length_1(image, length);
    }
    for (uint32_t k = 0; k < length && way->mirror; k++)
        vector[k] = (vector[k] + image[k]) / 2;
}

static void centre(struct gallery *gallery) {
    uint32_t images = gallery_images(gallery), length = gallery->length;
    for (uint32_t k = 0; k < length; k++) {
        double sum = 0;
        for (uint32_t i = 0; i < images; i++)
            sum += (double)gallery->embeddings[(size_t)i * length + k];
        for (uint32_t i = 0; i < images; i++)
            gallery->embeddings[(size_t)i * length + k] -= (float)(sum / images);
    }
}

static void normalise(struct gallery *gallery) {
    uint32_t length = gallery->length;
    double vector[4096];
    for (uint32_t i = 0; i < gallery_images(gallery); i++) {
        float *embedding = gallery->embeddings + (size_t)i * length;
        for (uint32_t k = 0; k < length; k++)
            vector[k] = (double)embedding[k];
        to_length_1(vector, length);
        for (uint32_t k = 0; k < length; k++)
            embedding[k] = (float)vector[k];
    }
}

/* Everyone's embeddings on this way, before the head. */
static enum status make(const struct way *way, const struct gallery *plain,
                        const struct gallery *mean, struct gallery *made, struct error *err) {
    uint32_t length = plain->length, images = gallery_images(plain);
    double vector[4096];
    enum status status = gallery_create(plain->people, images, length, made, err);
    if (status != STATUS_OK)
        return status;
    memcpy(made->first, plain->first, (plain->people + 1) * sizeof(*made->first));
    for (uint32_t i = 0; i < images; i++) {
        size_t at = (size_t)i * length;
        combine(way, plain->embeddings + at, mean->embeddings + at, length, vector);
        for (uint32_t k = 0; k < length; k++)
            made->embeddings[at + k] = (float)vector[k];
    }
    if (way->centre)
        centre(made);
    if (way->l2)
        normalise(made);
    return STATUS_OK;
}

static enum status apply_head(const struct gallery *from, struct gallery *to, struct error *err) {
    float *head = calloc((size_t)from->length * from->length, sizeof(*head));
    enum status status =
        head ? whitening_learn(from, head, err) : error_set(err, STATUS_INTERNAL, "out of memory");
    if (status == STATUS_OK)
        status = whitening_apply(head, to, err);
    free(head);
    return status;
}

/* Adds half of what was measured on `to`. */
static enum status measure(const struct way *way, const struct gallery *from, struct gallery *to,
                           double *fnmr, struct error *err) {
    struct distance_histogram histogram;
    enum status status = way->head ? apply_head(from, to, err) : STATUS_OK;
    if (status == STATUS_OK && way->l2_last)
        normalise(to);
    if (status == STATUS_OK)
        status = all_pairs_measure(to, &(struct crew){.threads = 0}, &histogram, err);
    if (status != STATUS_OK)
        return status;
    for (int i = 0; i < RATES; i++)
        fnmr[i] +=
            distance_histogram_fnmr(&histogram, distance_histogram_threshold(&histogram, FMR[i])) /
            HALVES;
    distance_histogram_release(&histogram);
    return STATUS_OK;
}

static enum status try_way(const struct way *way, const struct gallery *made, const uint32_t *order,
                           struct error *err) {
    double fnmr[RATES] = {0};
    uint32_t half = made->people / 2;
    enum status status = STATUS_OK;
    for (int turn = 0; turn < HALVES && status == STATUS_OK; turn++) {
        struct gallery from = {0}, to = {0};
        status = gallery_select(made, turn ? order + half : order, half, &from, err);
        if (status == STATUS_OK)
            status = gallery_select(made, turn ? order : order + half, half, &to, err);
        if (status == STATUS_OK)
            status = measure(way, &from, &to, fnmr, err);
        gallery_release(&from);
        gallery_release(&to);
    }
    if (status == STATUS_OK)
        printf("%-26s %7.4f %7.4f %7.4f\n", way->name, fnmr[0], fnmr[1], fnmr[2]);
    return status;
}

static enum status try_all(const struct gallery *plain, const struct gallery *mean,
                           struct error *err) {
    struct random_generator generator = random_seeded(1);
    uint32_t *order = calloc(plain->people, sizeof(*order));
    enum status status = order ? STATUS_OK : error_set(err, STATUS_INTERNAL, "out of memory");
    for (uint32_t i = 0; order && i < plain->people; i++)
        order[i] = i;
    if (order)
        random_shuffle(&generator, order, plain->people);
    printf("%u people, %u images\n%-26s  FMR 1e-2    1e-3    1e-4\n", plain->people,
           gallery_images(plain), "");
    for (size_t i = 0; i < sizeof(WAYS) / sizeof(WAYS[0]) && status == STATUS_OK; i++) {
        struct gallery made;
        status = make(&WAYS[i], plain, mean, &made, err);
        if (status != STATUS_OK)
            break;
        status = try_way(&WAYS[i], &made, order, err);
        gallery_release(&made);
    }
    free(order);
    return status;
}

/* With the network's numbers (plain), then with the mean of them and the mirror image's. */
static enum status embed(const struct people_gallery_options *options, char **argv, int argc,
                         struct people_gallery *plain, struct people_gallery *mean,
                         struct error *err) {
    const struct session_options session_options = {
        .data = argc == 6 ? argv[5] : NULL, .device = "cpu", .model = argv[1], .mirror = true};
    struct session session;
    enum status status = session_open(&session_options, &session, err);
    if (status != STATUS_OK)
        return status;
    session.version = session.acquired;
    struct measure_place place = session_place(&session);
    status = people_gallery_embed(&place, options, plain, err);
    session.version = &session.changed;
    place = session_place(&session);
    if (status == STATUS_OK)
        status = people_gallery_embed(&place, options, mean, err);
    session_close(&session);
    return status;
}

int main(int argc, char **argv) {
    struct people_gallery plain = {0}, mean = {0};
    struct error err;
    if (argc < 5 || argc > 6) {
        fprintf(stderr, "Usage: embedding_order MODEL PEOPLE_FILE SPLIT IMAGES [DATA]\n");
        return 2;
    }
    const struct people_gallery_options options = {.people = argv[2],
                                                   .split = argv[3],
                                                   .part = "learning",
                                                   .faces = {argv[4], CENTRE_FACE, 0}};
    enum status status = people_gallery_read(&options, &plain, &err);
    if (status == STATUS_OK)
        status = people_gallery_read(&options, &mean, &err);
    if (status == STATUS_OK)
        status = embed(&options, argv, argc, &plain, &mean, &err);
    if (status == STATUS_OK)
        status = try_all(&plain.gallery, &mean.gallery, &err);
    if (status != STATUS_OK)
        fprintf(stderr, "embedding_order: %s\n", err.detail);
    people_gallery_release(&plain);
    people_gallery_release(&mean);
    return status == STATUS_OK ? 0 : 1;
}
