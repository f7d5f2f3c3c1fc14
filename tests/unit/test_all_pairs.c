#include "model/all_pairs.h"

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

/* Tiles are cut at 32 images: one person alone exceeds a tile, others share one. */
static const uint32_t IMAGES[] = {1, 3, 70, 2, 1, 1, 8, 30, 5, 1, 2, 33, 1, 4};
enum { PEOPLE = sizeof(IMAGES) / sizeof(IMAGES[0]), LENGTH = 19 };
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

/* The share of the pairs of images of a and b below the limit; a may be b. */
static double share_below(const struct gallery *gallery, uint32_t a, uint32_t b, double limit) {
    unsigned pairs = 0, below = 0;
    for (uint32_t i = gallery->first[a]; i < gallery->first[a + 1]; i++) {
        for (uint32_t j = a == b ? i + 1 : gallery->first[b]; j < gallery->first[b + 1]; j++) {
            pairs++;
            below += distance(gallery, i, j) < limit;
        }
    }
    return pairs ? (double)below / pairs : 0;
}

static double fmr(const struct gallery *gallery, double limit) {
    double sum = 0;
    unsigned pairs = 0;
    for (uint32_t a = 0; a < gallery->people; a++)
        for (uint32_t b = a + 1; b < gallery->people; b++, pairs++)
            sum += share_below(gallery, a, b, limit);
    return sum / pairs;
}

static double tmr(const struct gallery *gallery, double limit) {
    double sum = 0;
    unsigned paired = 0;
    for (uint32_t a = 0; a < gallery->people; a++) {
        paired += gallery_images_of(gallery, a) > 1;
        sum += share_below(gallery, a, a, limit);
    }
    return sum / paired;
}

static double sum_to(const double *bins, size_t end) {
    double sum = 0;
    for (size_t i = 0; i < end; i++)
        sum += bins[i];
    return sum;
}

static void measure(const struct gallery *gallery, unsigned threads,
                    struct distance_histogram *histogram) {
    struct error err;
    const struct crew crew = {.threads = threads};
    assert_int_equal(all_pairs_measure(gallery, &crew, histogram, &err), STATUS_OK);
}

static void every_pair_of_people_counts_one_whatever_their_images(void **state) {
    (void)state;
    struct gallery gallery;
    struct distance_histogram histogram;
    random_gallery(IMAGES, PEOPLE, LENGTH, 0.4, 1, &gallery);
    measure(&gallery, 1, &histogram);
    for (uint32_t bin = 1000; bin < DISTANCE_BINS; bin += 2500) {
        double limit = bin / histogram.per_unit;
        assert_true(fabs(sum_to(histogram.impostor, bin) - fmr(&gallery, limit)) < 1e-12);
        assert_true(fabs(sum_to(histogram.genuine, bin) - tmr(&gallery, limit)) < 1e-12);
    }
    assert_true(fabs(sum_to(histogram.impostor, DISTANCE_BINS) - 1) < 1e-12);
    assert_true(fabs(sum_to(histogram.genuine, DISTANCE_BINS) - 1) < 1e-12);
    distance_histogram_release(&histogram);
    gallery_release(&gallery);
}

static void pairs_of_images_and_people_are_counted(void **state) {
    (void)state;
    static const uint32_t images[] = {3, 1, 2};
    struct gallery gallery;
    struct distance_histogram histogram;
    random_gallery(images, 3, LENGTH, 0.4, 1, &gallery);
    measure(&gallery, 1, &histogram);
    assert_int_equal(histogram.people, 3);
    assert_int_equal(histogram.people_paired, 2);
    assert_int_equal(histogram.images, 6);
    assert_int_equal(histogram.genuine_pairs, 3 + 1);
    assert_int_equal(histogram.impostor_pairs, 3 + 6 + 2);
    distance_histogram_release(&histogram);
    gallery_release(&gallery);
}

static void the_figures_do_not_depend_on_the_number_of_threads(void **state) {
    (void)state;
    struct gallery gallery;
    struct distance_histogram one, five;
    random_gallery(IMAGES, PEOPLE, LENGTH, 0.4, 1, &gallery);
    measure(&gallery, 1, &one);
    measure(&gallery, 5, &five);
    assert_memory_equal(one.genuine, five.genuine, 2 * DISTANCE_BINS * sizeof(double));
    distance_histogram_release(&one);
    distance_histogram_release(&five);
    gallery_release(&gallery);
}

/* Points on a line at 0, 1 and 3: distances are exact where bins begin. */
static void a_distance_equal_to_a_threshold_is_not_below_it(void **state) {
    (void)state;
    struct gallery gallery;
    struct error err;
    struct distance_histogram histogram;
    assert_int_equal(gallery_create(2, 3, 1, &gallery, &err), STATUS_OK);
    memcpy(gallery.first, (uint32_t[]){0, 2, 3}, 3 * sizeof(uint32_t));
    memcpy(gallery.embeddings, (float[]){0, 1, 3}, 3 * sizeof(float));
    measure(&gallery, 1, &histogram);
    size_t one = (size_t)(histogram.per_unit), two = 2 * one, three = 3 * one;
    assert_true((double)one / histogram.per_unit == 1);
    assert_true(sum_to(histogram.genuine, one) == 0 && histogram.genuine[one] == 1);
    assert_true(histogram.impostor[two] == 0.5 && histogram.impostor[three] == 0.5);
    distance_histogram_release(&histogram);
    gallery_release(&gallery);
}

static void the_farthest_pair_has_a_bin(void **state) {
    (void)state;
    struct gallery gallery;
    struct error err;
    struct distance_histogram histogram;
    assert_int_equal(gallery_create(2, 3, 1, &gallery, &err), STATUS_OK);
    memcpy(gallery.first, (uint32_t[]){0, 2, 3}, 3 * sizeof(uint32_t));
    memcpy(gallery.embeddings, (float[]){2, 2, -2}, 3 * sizeof(float));
    measure(&gallery, 1, &histogram);
    assert_true(sum_to(histogram.impostor, (size_t)(4 * histogram.per_unit)) == 0);
    assert_true(histogram.impostor[(size_t)(4 * histogram.per_unit)] == 1);
    assert_true(histogram.genuine[0] == 1);
    distance_histogram_release(&histogram);
    gallery_release(&gallery);
}

static void refuses(const struct gallery *gallery) {
    struct distance_histogram histogram;
    struct error err = {""};
    assert_int_equal(all_pairs_measure(gallery, &ALONE, &histogram, &err), STATUS_INVALID_FIELD);
    assert_string_not_equal(err.detail, "");
}

static void one_person_is_refused(void **state) {
    (void)state;
    static const uint32_t images[] = {3};
    struct gallery gallery;
    random_gallery(images, 1, LENGTH, 0.4, 1, &gallery);
    refuses(&gallery);
    gallery_release(&gallery);
}

static void people_with_one_image_each_are_refused(void **state) {
    (void)state;
    static const uint32_t images[] = {1, 1, 1};
    struct gallery gallery;
    random_gallery(images, 3, LENGTH, 0.4, 1, &gallery);
    refuses(&gallery);
    gallery_release(&gallery);
}

static void an_embedding_that_is_not_finite_is_refused(void **state) {
    (void)state;
    static const uint32_t images[] = {2, 1};
    struct gallery gallery;
    random_gallery(images, 2, LENGTH, 0.4, 1, &gallery);
    gallery.embeddings[LENGTH + 3] = NAN;
    refuses(&gallery);
    gallery.embeddings[LENGTH + 3] = INFINITY;
    refuses(&gallery);
    gallery_release(&gallery);
}

static double sum_shares(const struct all_pairs_lane *lanes, uint32_t a, uint32_t b,
                         uint32_t threshold) {
    double sum = 0;
    for (unsigned lane = 0; lane < ALL_PAIRS_LANES; lane++) {
        size_t next = 0;
        for (size_t i = 0; i < lanes[lane].runs_count; i++) {
            const struct all_pairs_run *run = &lanes[lane].runs[i];
            for (; next < run->end; next++)
                if (run->person == a && run->threshold <= threshold &&
                    lanes[lane].shares[next].person == b)
                    sum += (double)lanes[lane].shares[next].share;
        }
        assert_true(next == lanes[lane].shares_count);
    }
    return sum;
}

static void shares_tell_whose_pairs_each_threshold_accepts(void **state) {
    (void)state;
    struct gallery gallery;
    struct error err;
    struct distance_histogram histogram;
    struct all_pairs_shares shares;
    random_gallery(IMAGES, PEOPLE, LENGTH, 0.4, 1, &gallery);
    measure(&gallery, 1, &histogram);
    uint32_t thresholds[] = {2000, 6000, 9000, 12000, 16000};
    const struct crew crew = {.threads = 3};
    assert_int_equal(all_pairs_share_out(&gallery, thresholds, 5, &crew, &shares, &err), STATUS_OK);
    assert_int_equal(shares.people, PEOPLE);
    for (uint32_t t = 0; t < 5; t++) {
        double limit = thresholds[t] / histogram.per_unit;
        for (uint32_t a = 0; a < PEOPLE; a++) {
            assert_int_equal(shares.paired[a], IMAGES[a] > 1);
            for (uint32_t b = a; b < PEOPLE; b++) {
                double share = sum_shares(a == b ? shares.genuine : shares.impostor, a, b, t);
                assert_true(fabs(share - share_below(&gallery, a, b, limit)) < 1e-6);
            }
        }
    }
    all_pairs_shares_release(&shares);
    distance_histogram_release(&histogram);
    gallery_release(&gallery);
}

/* More rows of blocks than lanes: 100 people of 32 images, a row each. */
static void every_row_of_blocks_is_a_sign_of_life(void **state) {
    (void)state;
    enum { MANY = 100 };
    uint32_t images[MANY];
    for (uint32_t person = 0; person < MANY; person++)
        images[person] = 32;
    struct gallery gallery;
    struct distance_histogram histogram;
    random_gallery(images, MANY, 2, 0.4, 1, &gallery);
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct asked asked = {0};
        const struct crew crew = {threads, asked_go_on(&asked)};
        assert_int_equal(all_pairs_measure(&gallery, &crew, &histogram, NULL), STATUS_OK);
        assert_true(asked.times >= MANY);
        distance_histogram_release(&histogram);
    }
    gallery_release(&gallery);
}

static void a_scan_that_is_not_to_go_on_ends_at_its_next_row(void **state) {
    (void)state;
    struct gallery gallery;
    struct error err;
    struct distance_histogram histogram;
    struct all_pairs_shares shares;
    static const uint32_t threshold = 9000;
    random_gallery(IMAGES, PEOPLE, LENGTH, 0.4, 1, &gallery);
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        struct asked asked = {.ends_at = 2};
        const struct crew crew = {threads, asked_go_on(&asked)};
        assert_int_equal(all_pairs_measure(&gallery, &crew, &histogram, &err), STATUS_DRAINING);
        assert_int_equal(asked.times, 2); /* nobody is asked again */
        asked.times = 0;
        assert_int_equal(all_pairs_share_out(&gallery, &threshold, 1, &crew, &shares, &err),
                         STATUS_DRAINING);
        assert_int_equal(asked.times, 2);
    }
    gallery_release(&gallery);
}

static void a_selection_is_a_gallery_of_its_people(void **state) {
    (void)state;
    struct gallery gallery, selected;
    struct error err;
    random_gallery(IMAGES, PEOPLE, LENGTH, 0.4, 1, &gallery);
    static const uint32_t chosen[] = {7, 1};
    assert_int_equal(gallery_select(&gallery, chosen, 2, &selected, &err), STATUS_OK);
    assert_int_equal(selected.people, 2);
    assert_int_equal(gallery_images_of(&selected, 0), 30);
    assert_int_equal(gallery_images_of(&selected, 1), 3);
    assert_memory_equal(selected.embeddings + 30 * LENGTH,
                        gallery.embeddings + gallery.first[1] * LENGTH, 3 * LENGTH * sizeof(float));
    gallery_release(&selected);
    gallery_release(&gallery);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_of_people_counts_one_whatever_their_images),
        cmocka_unit_test(pairs_of_images_and_people_are_counted),
        cmocka_unit_test(the_figures_do_not_depend_on_the_number_of_threads),
        cmocka_unit_test(a_distance_equal_to_a_threshold_is_not_below_it),
        cmocka_unit_test(the_farthest_pair_has_a_bin),
        cmocka_unit_test(one_person_is_refused),
        cmocka_unit_test(people_with_one_image_each_are_refused),
        cmocka_unit_test(an_embedding_that_is_not_finite_is_refused),
        cmocka_unit_test(shares_tell_whose_pairs_each_threshold_accepts),
        cmocka_unit_test(every_row_of_blocks_is_a_sign_of_life),
        cmocka_unit_test(a_scan_that_is_not_to_go_on_ends_at_its_next_row),
        cmocka_unit_test(a_selection_is_a_gallery_of_its_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
