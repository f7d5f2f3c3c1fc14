/* Do thresholds hold for people that they were not chosen on? For 20 seeds the people are split in
 * halves; thresholds for FMR 1e-1 … 1e-4 come from one half, and the other half says what FMR they
 * really have (weighted as model/all_pairs.h tells). Prints every split.
 *
 *     random_splits MODEL PEOPLE_FILE IMAGES [DATA [FIRST_SEED SPLITS]]
 *
 * Exits with 1 when fewer splits than wanted lie within a factor of 1.5: 95 of 100 at
 * 1e-1, 1e-2 and 1e-3, 80 of 100 at 1e-4. Faces are those nearest the centre, as LFW's frames are
 * cut; where none is found the frame's centre is used, so that every image counts. What it printed
 * for the development view stands in random_splits.txt. */
#include "cli/session.h"
#include "model/all_pairs.h"
#include "model/measure/people_gallery.h"
#include "model/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPLITS = 20, SPLITS_MAX = 100000, RATES = 4 };
static const double FMR[RATES] = {1e-1, 1e-2, 1e-3, 1e-4};
static const double WANTED[RATES] = {0.95, 0.95, 0.95, 0.8}; /* of the splits */
static const double FACTOR = 1.5;
static const unsigned CENTRE_FACE = 1, CENTRE_BOX = 1; /* in FACES_WHICH, FACES_WITHOUT */

static enum status measure_half(const struct gallery *gallery, const uint32_t *order,
                                uint32_t count, struct distance_histogram *histogram,
                                struct error *err) {
    struct gallery half;
    enum status status = gallery_select(gallery, order, count, &half, err);
    if (status != STATUS_OK)
        return status;
    status = all_pairs_measure(&half, &(struct crew){.threads = 0}, histogram, err);
    gallery_release(&half);
    return status;
}

/* The other half's thresholds need the same bins: both halves are of one gallery, but the longest
 * embedding is in one of them. */
static double fmr_at(const struct distance_histogram *histogram, double threshold) {
    double bin = threshold * histogram->per_unit;
    return bin >= DISTANCE_BINS ? 1 : distance_histogram_fmr(histogram, (uint32_t)(bin + 0.5));
}

static enum status split(const struct gallery *gallery, uint64_t seed, int *within,
                         struct error *err) {
    struct distance_histogram from, to;
    struct random_generator generator = random_seeded(seed);
    uint32_t *order = calloc(gallery->people, sizeof(*order));
    if (!order)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    for (uint32_t i = 0; i < gallery->people; i++)
        order[i] = i;
    random_shuffle(&generator, order, gallery->people);
    uint32_t half = gallery->people / 2;
    enum status status = measure_half(gallery, order, half, &from, err);
    if (status == STATUS_OK) {
        status = measure_half(gallery, order + half, gallery->people - half, &to, err);
        if (status != STATUS_OK)
            distance_histogram_release(&from);
    }
    free(order);
    if (status != STATUS_OK)
        return status;
    printf("%4llu", (unsigned long long)seed);
    for (int i = 0; i < RATES; i++) {
        double threshold = distance_histogram_threshold(&from, FMR[i]) / from.per_unit;
        double ratio = fmr_at(&to, threshold) / FMR[i];
        within[i] += ratio >= 1 / FACTOR && ratio <= FACTOR;
        printf("   %.5f %6.3f", threshold, ratio);
    }
    printf("\n");
    distance_histogram_release(&from);
    distance_histogram_release(&to);
    return STATUS_OK;
}

static enum status run(const struct gallery *gallery, uint64_t first_seed, int splits, int *within,
                       struct error *err) {
    printf("%u people, %u images; threshold from one half, FMR on the other half / FMR asked for\n",
           gallery->people, gallery_images(gallery));
    printf("seed   FMR 1e-1         1e-2             1e-3             1e-4\n");
    enum status status = STATUS_OK;
    for (int i = 0; i < splits && status == STATUS_OK; i++)
        status = split(gallery, first_seed + (uint64_t)i, within, err);
    return status;
}

static bool report(const int *within, int splits) {
    bool well = true;
    for (int i = 0; i < RATES; i++) {
        int wanted = (int)(WANTED[i] * splits + 0.5);
        printf("FMR %g: %d of %d within a factor of %g (%d wanted)\n", FMR[i], within[i], splits,
               FACTOR, wanted);
        well = well && within[i] >= wanted;
    }
    return well;
}

int main(int argc, char **argv) {
    uint64_t first_seed = argc == 7 ? strtoull(argv[5], NULL, 10) : 1;
    long splits = argc == 7 ? strtol(argv[6], NULL, 10) : SPLITS;
    if (argc < 4 || argc > 7 || argc == 6 || splits < 1 || splits > SPLITS_MAX) {
        fprintf(stderr,
                "Usage: random_splits MODEL PEOPLE_FILE IMAGES [DATA [FIRST_SEED SPLITS]]\n");
        return 2;
    }
    const struct session_options session_options = {
        .data = argc >= 5 ? argv[4] : NULL, .device = "cpu", .model = argv[1]};
    const struct people_gallery_options options = {.people = argv[2],
                                                   .faces = {argv[3], CENTRE_FACE, CENTRE_BOX}};
    struct people_gallery people;
    struct session session;
    struct error err;
    int within[RATES] = {0};
    enum status status = people_gallery_read(&options, &people, &err);
    if (status == STATUS_OK) {
        status = session_open(&session_options, &session, &err);
        if (status == STATUS_OK) {
            const struct measure_place place = session_place(&session);
            status = people_gallery_embed(&place, &options, &people, &err);
            session_close(&session);
        }
        if (status == STATUS_OK)
            status = run(&people.gallery, first_seed, (int)splits, within, &err);
        people_gallery_release(&people);
    }
    if (status != STATUS_OK) {
        fprintf(stderr, "random_splits: %s\n", err.detail);
        return 1;
    }
    return report(within, (int)splits) ? 0 : 1;
}
