#include "model/bootstrap.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/asked.h"
#include "tests/unit/random_gallery.h"

enum { PEOPLE = 12, LENGTH = 6, REPLICATES = 128 };
static const uint32_t IMAGES[PEOPLE] = {1, 3, 9, 2, 1, 1, 8, 4, 5, 1, 2, 3};
static const struct crew ALONE = {.threads = 1};

static double distance(const struct gallery *gallery, uint32_t i, uint32_t j) {
    double sum = 0;
    for (uint32_t k = 0; k < gallery->length; k++) {
        double difference = (double)gallery->embeddings[i * gallery->length + k] -
                            (double)gallery->embeddings[j * gallery->length + k];
        sum += difference * difference;
    }
    return sqrt(sum);
}

/* Sums of k_a k_b ÷ (images of a × images of b) over pairs of images, the long way round. */
static void rates_of_resample(const struct gallery *gallery, const unsigned *times, double limit,
                              double *fmr, double *fnmr) {
    double impostor = 0, accepted = 0, genuine = 0, refused = 0;
    for (uint32_t a = 0; a < gallery->people; a++) {
        double own = gallery_images_of(gallery, a);
        for (uint32_t b = a; b < gallery->people; b++) {
            double other = gallery_images_of(gallery, b);
            for (uint32_t i = gallery->first[a]; i < gallery->first[a + 1]; i++) {
                for (uint32_t j = gallery->first[b]; j < gallery->first[b + 1]; j++) {
                    if (a == b && j <= i)
                        continue;
                    double weight = a == b ? times[a] / (own * (own - 1) / 2)
                                           : times[a] * times[b] / (own * other);
                    bool below = distance(gallery, i, j) < limit;
                    *(a == b ? &genuine : &impostor) += weight;
                    accepted += a != b && below ? weight : 0;
                    refused += a == b && !below ? weight : 0;
                }
            }
        }
    }
    *fmr = accepted / impostor;
    *fnmr = refused / genuine;
}

static void share_out(const struct gallery *gallery, const uint32_t *thresholds, uint32_t count,
                      struct all_pairs_shares *shares) {
    struct error err;
    assert_int_equal(all_pairs_share_out(gallery, thresholds, count, &ALONE, shares, &err),
                     STATUS_OK);
}

static double resolution_of(const struct gallery *gallery) {
    struct distance_histogram histogram;
    struct error err;
    assert_int_equal(all_pairs_measure(gallery, &ALONE, &histogram, &err), STATUS_OK);
    double per_unit = histogram.per_unit;
    distance_histogram_release(&histogram);
    return per_unit;
}

static void someone_drawn_k_times_weighs_k_in_each_of_their_pairs(void **state) {
    (void)state;
    struct gallery gallery;
    struct all_pairs_shares shares;
    struct error err;
    random_gallery(IMAGES, PEOPLE, LENGTH, 0.7, 5, &gallery);
    static const uint32_t thresholds[] = {8000, 12000};
    double per_unit = resolution_of(&gallery);
    share_out(&gallery, thresholds, 2, &shares);
    struct interval fmr[2], fnmr[2];
    const struct bootstrap_options options = {REPLICATES, 99, {.threads = 2}};
    assert_int_equal(bootstrap_people(&shares, &options, fmr, fnmr, &err), STATUS_OK);
    for (unsigned t = 0; t < 2; t++) {
        double accepted[REPLICATES], refused[REPLICATES];
        for (unsigned r = 0; r < REPLICATES; r++) {
            struct random_generator generator = random_seeded(99 + r);
            unsigned times[PEOPLE] = {0};
            for (unsigned i = 0; i < PEOPLE; i++)
                times[random_below(&generator, PEOPLE)]++;
            rates_of_resample(&gallery, times, thresholds[t] / per_unit, &accepted[r], &refused[r]);
        }
        struct interval expected_fmr = interval_of_replicates(accepted, REPLICATES);
        struct interval expected_fnmr = interval_of_replicates(refused, REPLICATES);
        assert_true(expected_fmr.high > expected_fmr.low + 0.01);
        assert_true(expected_fnmr.high > expected_fnmr.low + 0.01);
        assert_true(fabs(fmr[t].low - expected_fmr.low) < 1e-6);
        assert_true(fabs(fmr[t].high - expected_fmr.high) < 1e-6);
        assert_true(fabs(fnmr[t].low - expected_fnmr.low) < 1e-6);
        /* eight people have two images: nothing below 3/8 is claimed */
        assert_true(fabs(fnmr[t].high - fmax(3.0 / 8, expected_fnmr.high)) < 1e-6);
    }
    all_pairs_shares_release(&shares);
    gallery_release(&gallery);
}

static void the_interval_does_not_depend_on_the_number_of_threads(void **state) {
    (void)state;
    struct gallery gallery;
    struct all_pairs_shares shares;
    struct error err;
    random_gallery(IMAGES, PEOPLE, LENGTH, 0.7, 5, &gallery);
    static const uint32_t threshold = 16000;
    share_out(&gallery, &threshold, 1, &shares);
    struct interval fmr[2], fnmr[2];
    for (unsigned i = 0; i < 2; i++) {
        const struct bootstrap_options options = {1000, 1, {.threads = i == 0 ? 1 : 7}};
        assert_int_equal(bootstrap_people(&shares, &options, &fmr[i], &fnmr[i], &err), STATUS_OK);
    }
    assert_memory_equal(&fmr[0], &fmr[1], sizeof(fmr[0]));
    assert_memory_equal(&fnmr[0], &fnmr[1], sizeof(fnmr[0]));
    all_pairs_shares_release(&shares);
    gallery_release(&gallery);
}

/* Twelve people, eight of them with two images or more. */
static void rates_without_any_event_are_bounded_by_the_rule_of_three(void **state) {
    (void)state;
    struct gallery gallery;
    struct all_pairs_shares shares;
    struct error err;
    random_gallery(IMAGES, PEOPLE, LENGTH, 0.01, 5, &gallery);
    static const uint32_t thresholds[] = {800, DISTANCE_BINS};
    share_out(&gallery, thresholds, 2, &shares);
    struct interval fmr[2], fnmr[2];
    const struct bootstrap_options options = {REPLICATES, 1, ALONE};
    assert_int_equal(bootstrap_people(&shares, &options, fmr, fnmr, &err), STATUS_OK);
    assert_true(fmr[0].low == 0 && fabs(fmr[0].high - 3.0 / 6) < 1e-12);
    assert_true(fnmr[0].low == 0 && fabs(fnmr[0].high - 3.0 / 8) < 1e-12);
    assert_true(fabs(fmr[1].low - 1) < 1e-6 && fabs(fmr[1].high - 1) < 1e-6);
    all_pairs_shares_release(&shares);
    gallery_release(&gallery);
}

/* A resample of two people is often one of them twice: it has no pair of different people. */
static void two_people_still_give_an_interval(void **state) {
    (void)state;
    static const uint32_t images[] = {2, 1};
    struct gallery gallery;
    struct all_pairs_shares shares;
    struct error err;
    random_gallery(images, 2, LENGTH, 0.7, 5, &gallery);
    static const uint32_t threshold = DISTANCE_BINS;
    share_out(&gallery, &threshold, 1, &shares);
    struct interval fmr, fnmr;
    const struct bootstrap_options options = {REPLICATES, 1, ALONE};
    assert_int_equal(bootstrap_people(&shares, &options, &fmr, &fnmr, &err), STATUS_OK);
    assert_true(fmr.low == 1 && fmr.high == 1);
    all_pairs_shares_release(&shares);
    gallery_release(&gallery);
}

/* 64 replicates are a group; the intervals at each threshold are sorted out of all of them. */
static void every_group_of_replicates_and_every_interval_is_a_sign_of_life(void **state) {
    (void)state;
    struct gallery gallery;
    struct all_pairs_shares shares;
    random_gallery(IMAGES, PEOPLE, LENGTH, 0.7, 5, &gallery);
    static const uint32_t thresholds[] = {8000, 12000};
    share_out(&gallery, thresholds, 2, &shares);
    struct interval fmr[2], fnmr[2];
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct asked asked = {0};
        const struct bootstrap_options options = {
            10 * REPLICATES, 1, {threads, asked_go_on(&asked)}};
        assert_int_equal(bootstrap_people(&shares, &options, fmr, fnmr, NULL), STATUS_OK);
        assert_int_equal(asked.times, 10 * REPLICATES / 64 + 2);
    }
    all_pairs_shares_release(&shares);
    gallery_release(&gallery);
}

static void a_bootstrap_that_is_not_to_go_on_ends(void **state) {
    (void)state;
    struct gallery gallery;
    struct all_pairs_shares shares;
    struct error err;
    random_gallery(IMAGES, PEOPLE, LENGTH, 0.7, 5, &gallery);
    static const uint32_t threshold = 8000;
    share_out(&gallery, &threshold, 1, &shares);
    struct interval fmr, fnmr;
    for (uint64_t at = 1; at <= REPLICATES / 64 + 1; at++) {
        struct asked asked = {.ends_at = at};
        const struct bootstrap_options options = {REPLICATES, 1, {2, asked_go_on(&asked)}};
        assert_int_equal(bootstrap_people(&shares, &options, &fmr, &fnmr, &err), STATUS_DRAINING);
        assert_int_equal(asked.times, at);
    }
    all_pairs_shares_release(&shares);
    gallery_release(&gallery);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(someone_drawn_k_times_weighs_k_in_each_of_their_pairs),
        cmocka_unit_test(the_interval_does_not_depend_on_the_number_of_threads),
        cmocka_unit_test(rates_without_any_event_are_bounded_by_the_rule_of_three),
        cmocka_unit_test(two_people_still_give_an_interval),
        cmocka_unit_test(every_group_of_replicates_and_every_interval_is_a_sign_of_life),
        cmocka_unit_test(a_bootstrap_that_is_not_to_go_on_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
