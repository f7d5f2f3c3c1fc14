/* Two versions on the same people: thresholds, accuracies, differences and how sure they are. */
#include "tests/unit/asked.h"
#include "tests/unit/folder.h"

#include "model/decision.h"
#include "model/finetune/comparison.h"
#include "model/finetune/course.h"
#include "model/finetune/validation.h"
#include "model/random.h"

#include <math.h>

enum { PEOPLE = 80, IMAGES = 3, LENGTH = 8 };

static double draw(struct random_generator *generator) {
    double sum = 0; /* near normal, deviation 1 */
    for (int i = 0; i < 12; i++)
        sum += (double)(random_bits(generator) >> 11) / (double)(1ull << 53);
    return sum - 6;
}

/* People far apart, photographs of one `noise` apart. The same seed draws the same people. */
static struct gallery people(uint64_t seed, double noise) {
    struct random_generator generator = random_seeded(seed);
    struct gallery gallery;
    assert_int_equal(gallery_create(PEOPLE, PEOPLE * IMAGES, LENGTH, &gallery, NULL), STATUS_OK);
    float *next = gallery.embeddings;
    for (uint32_t person = 0; person < PEOPLE; person++) {
        double centre[LENGTH];
        for (int k = 0; k < LENGTH; k++)
            centre[k] = draw(&generator);
        for (int i = 0; i < IMAGES; i++)
            for (int k = 0; k < LENGTH; k++)
                *next++ = (float)(centre[k] + noise * draw(&generator));
        gallery.first[person + 1] = (person + 1) * IMAGES;
    }
    return gallery;
}

enum { REPLICATES = 1000 };

static enum status compare(double base_noise, double candidate_noise, uint32_t candidates,
                           struct asked *asked, struct comparison *comparison, struct error *err) {
    struct gallery galleries[4] = {people(1, base_noise), people(2, base_noise),
                                   people(1, candidate_noise), people(2, candidate_noise)};
    const struct comparison_side base = {"net", "1", &galleries[0], &galleries[1]};
    const struct comparison_side candidate = {"net", "2", &galleries[2], &galleries[3]};
    const struct comparison_options options = {.fmr = 0.01,
                                               .candidates = candidates,
                                               .replicates = REPLICATES,
                                               .seed = 1,
                                               .crew = {1, asked_go_on(asked)}};
    enum status status = comparison_measure(&base, &candidate, &options, comparison, err);
    for (int i = 0; i < 4; i++)
        gallery_release(&galleries[i]);
    return status;
}

static struct comparison compared(double base_noise, double candidate_noise, uint32_t candidates) {
    struct comparison comparison;
    struct asked asked = {0};
    struct error err;
    if (compare(base_noise, candidate_noise, candidates, &asked, &comparison, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return comparison;
}

static void every_replicate_is_a_sign_of_life(void **state) {
    (void)state;
    struct comparison comparison;
    struct asked asked = {0};
    assert_int_equal(compare(0.6, 0.4, 1, &asked, &comparison, NULL), STATUS_OK);
    assert_true(asked.times >= REPLICATES);
    const uint64_t whole = asked.times;
    for (uint64_t left = 0; left < whole; left += 97) {
        asked = (struct asked){.ends_at = whole - left};
        assert_int_equal(compare(0.6, 0.4, 1, &asked, &comparison, NULL), STATUS_DRAINING);
        assert_int_equal(asked.times, whole - left);
        assert_false(comparison.better);
    }
}

static void less_noise_is_better_and_the_interval_tells(void **state) {
    (void)state;
    struct comparison comparison = compared(0.6, 0.4, 1);
    assert_true(comparison.base.fnmr > comparison.candidate.fnmr);
    assert_true(comparison.fnmr.interval.low > 0);
    assert_true(comparison.fnmr.interval.low <= comparison.fnmr.value);
    assert_true(comparison.fnmr.value <= comparison.fnmr.interval.high);
    assert_true(comparison.accuracy.value > 0);
    assert_true(comparison.better);
}

static void the_same_version_is_not_better_than_itself(void **state) {
    (void)state;
    struct comparison comparison = compared(0.5, 0.5, 1);
    assert_true(comparison.fnmr.value == 0 && comparison.accuracy.value == 0);
    assert_true(comparison.fnmr.interval.low == 0 && comparison.fnmr.interval.high == 0);
    assert_false(comparison.better);
}

static void a_worse_one_is_not_better(void **state) {
    (void)state;
    struct comparison comparison = compared(0.4, 0.6, 1);
    assert_true(comparison.fnmr.interval.high < 0);
    assert_false(comparison.better);
}

static void each_candidate_tried_widens_the_interval(void **state) {
    (void)state;
    struct comparison one = compared(0.6, 0.4, 1), five = compared(0.6, 0.4, 5);
    assert_true(one.confidence == 0.95 && fabs(five.confidence - 0.99) < 1e-12);
    assert_true(five.fnmr.interval.low < one.fnmr.interval.low);
    assert_true(five.fnmr.interval.high > one.fnmr.interval.high);
    assert_true(five.fnmr.value == one.fnmr.value);
}

static void the_held_candidate_lets_in_no_more_than_the_base(void **state) {
    (void)state;
    struct comparison comparison = compared(0.6, 0.4, 1);
    assert_true(comparison.held.threshold <= comparison.candidate.threshold);
    assert_true(comparison.held.fmr <=
                fmax(comparison.base.fmr, 0.01) * (1 + 1e-6)); /* shares are floats */
    assert_true(comparison.held.fnmr >= comparison.candidate.fnmr);
}

static void rates_are_those_of_all_pairs_counted_one_by_one(void **state) {
    (void)state;
    struct gallery gallery = people(2, 0.6);
    struct comparison comparison = compared(0.6, 0.4, 1);
    double accepted = 0, all = 0, refused = 0, own = 0;
    for (uint32_t a = 0; a < PEOPLE * IMAGES; a++)
        for (uint32_t b = a + 1; b < PEOPLE * IMAGES; b++) {
            bool in =
                decision_distance(gallery.embeddings + a * LENGTH, gallery.embeddings + b * LENGTH,
                                  LENGTH) < comparison.base.threshold;
            bool same = a / IMAGES == b / IMAGES;
            all += !same;
            accepted += !same && in;
            own += same;
            refused += same && !in;
        }
    assert_true(fabs(comparison.base.fmr - accepted / all) < 1e-6);
    assert_true(fabs(comparison.base.fnmr - refused / own) < 1e-6);
    gallery_release(&gallery);
}

/* ---- lists of pairs ---- */

static void a_list_has_at_most_five_photographs_of_a_person(void **state) {
    (void)state;
    struct gallery gallery;
    struct pair_list list;
    assert_int_equal(gallery_create(2, 20, 1, &gallery, NULL), STATUS_OK);
    gallery.first[1] = 12;
    gallery.first[2] = 20;
    assert_int_equal(pair_list_draw(&gallery, 1, &list, NULL), STATUS_OK);
    assert_int_equal(list.genuine_count, 2 * 10);
    assert_int_equal(list.impostor_count, PAIR_LIST_EACH_MAX);
    for (uint32_t i = 0; i < list.impostor_count; i++)
        assert_true((list.impostor[i].a < 12) != (list.impostor[i].b < 12));
    pair_list_release(&list);
    gallery_release(&gallery);
}

static void the_best_threshold_stands_between_both_kinds(void **state) {
    (void)state;
    struct gallery gallery;
    struct pair_list list;
    double threshold;
    assert_int_equal(gallery_create(2, 4, 1, &gallery, NULL), STATUS_OK);
    const float values[] = {0, 1, 10, 11};
    memcpy(gallery.embeddings, values, sizeof(values));
    gallery.first[1] = 2;
    gallery.first[2] = 4;
    assert_int_equal(pair_list_draw(&gallery, 1, &list, NULL), STATUS_OK);
    assert_int_equal(pair_list_threshold(&list, &gallery, &threshold, NULL), STATUS_OK);
    assert_true(threshold == 5); /* between 1 and 9 */
    assert_true(pair_list_accuracy(&list, &gallery, threshold) == 1);
    pair_list_release(&list);
    gallery_release(&gallery);
}

/* ---- validation ---- */

static void the_log_loss_is_that_of_the_best_logistic_curve(void **state) {
    (void)state;
    /* scikit-learn: LogisticRegression(C=1e12) on these, class_weight="balanced"; log_loss */
    const double distances[] = {0.2, 0.5, 0.9, 0.6, 1.0, 1.2, 0.4, 1.4};
    const uint8_t same[] = {1, 1, 1, 1, 0, 0, 0, 0};
    assert_true(fabs(validation_log_loss(distances, same, 8) - 0.5057686695185392) < 1e-5);
}

static void a_longer_ruler_changes_nothing(void **state) {
    (void)state;
    double distances[] = {0.2, 0.5, 0.9, 0.6, 1.0, 1.2, 0.4, 1.4};
    const uint8_t same[] = {1, 1, 1, 1, 0, 0, 0, 0};
    double before = validation_log_loss(distances, same, 8);
    for (int i = 0; i < 8; i++)
        distances[i] *= 10;
    assert_true(fabs(validation_log_loss(distances, same, 8) - before) < 1e-4);
}

static void distances_that_tell_nothing_cost_ln_2_and_perfect_ones_next_to_nothing(void **state) {
    (void)state;
    const double equal[] = {1, 1, 1, 1}, apart[] = {0.1, 0.2, 0.9, 1.0};
    const uint8_t same[] = {1, 1, 0, 0}, one[] = {1, 1, 1, 1};
    assert_true(fabs(validation_log_loss(equal, same, 4) - log(2)) < 1e-9);
    assert_true(validation_log_loss(apart, same, 4) < 1e-3);
    assert_true(isnan(validation_log_loss(apart, one, 4)));
}

/* ---- courses ---- */

static void a_course_reads_as_it_was_written(void **state) {
    (void)state;
    struct finetune_spec spec;
    struct course *written = malloc(sizeof(*written)), *read = malloc(sizeof(*read));
    struct error err;
    size_t size;
    finetune_spec_default(&spec);
    course_begin(&spec.hyperparameters, written);
    written->epochs_done = 2;
    written->batches_done = 7;
    written->loss_sum = 0.1 + 0.2;
    (void)random_bits(&written->generator);
    written->history[0] = (struct finetune_epoch){1, 0.3, 1.0 / 3, 1e-3, 1, 1.0 / 3};
    written->history[1] = (struct finetune_epoch){2, 0.2, NAN, 1e-4, 1, 1.0 / 3};
    written->best_epoch = 1;
    written->best_loss = 1.0 / 3;
    char *text = course_write(written, "key", &size);
    course_begin(&spec.hyperparameters, read);
    assert_int_equal(course_read(text, size, "key", read, &err), STATUS_OK);
    assert_memory_equal(&read->generator, &written->generator, sizeof(read->generator));
    assert_true(read->loss_sum == written->loss_sum && read->batches_done == 7);
    assert_true(read->epochs_done == 2 && read->best_epoch == 1 && read->best_loss == 1.0 / 3);
    assert_true(isnan(read->history[1].validation_loss));
    assert_true(isinf(read->plateau.best));
    assert_int_equal(course_read(text, size, "other", read, &err), STATUS_INTERNAL);
    assert_int_equal(course_read("{", 1, "key", read, &err), STATUS_INTERNAL);
    free(text);
    free(written);
    free(read);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(less_noise_is_better_and_the_interval_tells),
        cmocka_unit_test(the_same_version_is_not_better_than_itself),
        cmocka_unit_test(a_worse_one_is_not_better),
        cmocka_unit_test(each_candidate_tried_widens_the_interval),
        cmocka_unit_test(the_held_candidate_lets_in_no_more_than_the_base),
        cmocka_unit_test(rates_are_those_of_all_pairs_counted_one_by_one),
        cmocka_unit_test(a_list_has_at_most_five_photographs_of_a_person),
        cmocka_unit_test(the_best_threshold_stands_between_both_kinds),
        cmocka_unit_test(the_log_loss_is_that_of_the_best_logistic_curve),
        cmocka_unit_test(a_longer_ruler_changes_nothing),
        cmocka_unit_test(distances_that_tell_nothing_cost_ln_2_and_perfect_ones_next_to_nothing),
        cmocka_unit_test(a_course_reads_as_it_was_written),
        cmocka_unit_test(every_replicate_is_a_sign_of_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
