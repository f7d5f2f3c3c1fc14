/* How long all pairs take: 8,000 made-up images of 128 numbers, of 3,400 people as many images each
 * as LFW's people have (most one, a few very many). Prints seconds of the wall and of the processor
 * for the histogram, for a curve of error rates with 1,000 resamples, and their sum.
 *
 *     bench_all_pairs [THREADS]
 */
#include "model/all_pairs.h"
#include "model/error_rates.h"
#include "model/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PEOPLE = 3400, IMAGES = 8000, LENGTH = 128 };

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

struct stopwatch {
    double wall, processor;
};

static struct stopwatch start(void) {
    return (struct stopwatch){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)};
}

static void stop(const struct stopwatch *from, const char *what) {
    printf("%-24s %6.2f s of the wall, %6.2f s of the processor\n", what,
           seconds(CLOCK_MONOTONIC) - from->wall,
           seconds(CLOCK_PROCESS_CPUTIME_ID) - from->processor);
}

/* Roughly normal, variance 1. */
static float normal(struct random_generator *generator) {
    int64_t sum = 0;
    for (int i = 0; i < 12; i++)
        sum += (int64_t)(random_bits(generator) >> 40);
    return (float)((double)sum / (1 << 24) - 6);
}

/* Distances between people are near 0.86, within one near 0.4, as dlib's are. */
static void fill(struct gallery *gallery) {
    struct random_generator generator = random_seeded(1);
    uint32_t left = IMAGES - PEOPLE; /* images that are nobody's first */
    for (uint32_t person = 0; person < PEOPLE; person++) {
        uint32_t first = gallery->first[person];
        uint32_t more = person % 3 ? 0 : left / 11 < 529 ? (left + 10) / 11 : 529;
        left -= more;
        gallery->first[person + 1] = first + 1 + more;
        float own[LENGTH];
        for (int k = 0; k < LENGTH; k++)
            own[k] = 0.05f * normal(&generator);
        for (uint32_t i = first; i < gallery->first[person + 1]; i++)
            for (int k = 0; k < LENGTH; k++)
                gallery->embeddings[(size_t)i * LENGTH + (size_t)k] =
                    own[k] + 0.025f * normal(&generator);
    }
}

int main(int argc, char **argv) {
    struct gallery gallery;
    struct distance_histogram histogram;
    struct error err;
    static struct error_rates rates;
    const struct error_rates_extra none = {0};
    const struct bootstrap_options options = {
        BOOTSTRAP_REPLICATES,
        1,
        {argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0, {NULL, NULL}}};
    if (gallery_create(PEOPLE, IMAGES, LENGTH, &gallery, &err) != STATUS_OK)
        return 1;
    fill(&gallery);
    printf("%u images of %u people\n", gallery_images(&gallery), gallery.people);
    struct stopwatch whole = start(), part = start();
    if (all_pairs_measure(&gallery, &options.crew, &histogram, &err) != STATUS_OK)
        return 1;
    stop(&part, "distances of all pairs");
    part = start();
    if (error_rates_of_gallery(&gallery, &histogram, &options, &none, &rates, &err) != STATUS_OK)
        return 1;
    stop(&part, "rates with intervals");
    stop(&whole, "both");
    distance_histogram_release(&histogram);
    gallery_release(&gallery);
    return 0;
}
