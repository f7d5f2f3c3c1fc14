/* The running mean of the weights, and the blend of what was learned with what was known: what is
 * saved, embedded and evaluated, against what is computed here from the weights of a training
 * without either. */
#include "tests/parity/train_course.h"

#include "model/network/network.h"
#include "model/network/train.h"
#include "model/safetensors.h"

#include <math.h>

enum { STEPS = 12 };
#define AVERAGE 0.6
#define BLEND 0.3
#define BAR 5e-7

static struct course begin(const struct subject *subject, double average) {
    struct network_train_options options = subject_options(subject);
    options.average = average;
    return course_begin(subject, &options);
}

static size_t values_of(const struct safetensors_tensor *tensor) {
    size_t count = 1;
    for (uint32_t i = 0; i < tensor->rank; i++)
        count *= tensor->shape[i];
    return count;
}

/* All values of a weights file, one tensor after the other; from malloc. */
static double *read_weights(const char *path, size_t *count) {
    struct safetensors *file;
    struct error err;
    if (safetensors_open(path, &file, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    const struct safetensors_tensor *tensors = safetensors_all(file);
    *count = 0;
    for (size_t i = 0; i < safetensors_count(file); i++)
        *count += values_of(&tensors[i]);
    double *values = calloc(*count, sizeof(*values));
    size_t at = 0;
    for (size_t i = 0; i < safetensors_count(file); i++)
        for (size_t k = 0; k < values_of(&tensors[i]); k++)
            values[at++] = tensors[i].data[k];
    safetensors_close(file);
    return values;
}

static double *saved_weights(const struct subject *subject, const struct course *course,
                             size_t *count) {
    char path[96];
    snprintf(path, sizeof(path), "%s/saved.safetensors", subject->folder.path);
    unlink(path);
    course_save(course, path);
    return read_weights(path, count);
}

static double farthest(const double *a, const double *b, size_t count) {
    double most = 0;
    for (size_t i = 0; i < count; i++)
        most = fmax(most, fabs(a[i] - b[i]));
    return most;
}

static void what_is_saved_is_the_mean_of_what_the_steps_passed_through(void **state) {
    for (size_t s = 0; s < RECIPES_COUNT; s++) {
        const struct subject *subject = (struct subject *)*state + s;
        struct course plain = begin(subject, 0), averaged = begin(subject, AVERAGE);
        size_t count;
        double *mean = read_weights(subject->weights, &count), *passed = NULL;
        for (int t = 1; t <= STEPS; t++) {
            struct network_train_batch batch = course_draw(&plain);
            double loss = course_step(&plain, &batch);
            batch = course_draw(&averaged);
            assert_true(course_step(&averaged, &batch) == loss); /* the mean changes no step */
            free(passed);
            passed = saved_weights(subject, &plain, &count);
            double a = fmin(AVERAGE, (1.0 + t) / (10 + t));
            for (size_t i = 0; i < count; i++)
                mean[i] = a * mean[i] + (1 - a) * passed[i];
        }
        double *saved = saved_weights(subject, &averaged, &count);
        double most = farthest(saved, mean, count);
        print_message("%s: largest difference %.2e; from the last step's weights %.2e\n",
                      subject->recipe->name, most, farthest(saved, passed, count));
        assert_true(most <= BAR);
        assert_true(farthest(saved, passed, count) > 50 * BAR); /* or nothing was averaged */
        free(saved);
        free(passed);
        free(mean);
        course_end(&plain);
        course_end(&averaged);
    }
}

static void a_blend_goes_that_part_of_the_way_from_the_beginning(void **state) {
    static const double AVERAGES[] = {0, AVERAGE};
    for (size_t i = 0; i < 2 * RECIPES_COUNT; i++) {
        const struct subject *subject = (struct subject *)*state + i / 2;
        struct network_train_options options = subject_options(subject);
        options.average = AVERAGES[i % 2];
        struct course whole = course_begin(subject, &options);
        options.blend = BLEND;
        struct course blended = course_begin(subject, &options);
        for (int t = 1; t <= STEPS; t++) {
            struct network_train_batch batch = course_draw(&whole);
            double loss = course_step(&whole, &batch);
            batch = course_draw(&blended);
            assert_true(course_step(&blended, &batch) == loss); /* the blend changes no step */
        }
        size_t count;
        double *expected = read_weights(subject->weights, &count);
        double *learned = saved_weights(subject, &whole, &count);
        for (size_t k = 0; k < count; k++)
            expected[k] += BLEND * (learned[k] - expected[k]);
        double *saved = saved_weights(subject, &blended, &count);
        assert_true(farthest(saved, expected, count) <= BAR);
        assert_true(farthest(saved, learned, count) > 50 * BAR); /* or nothing was blended */
        free(saved);
        free(learned);
        free(expected);
        course_end(&blended);
        course_end(&whole);
    }
}

/* A training that begins with the saved weights has the loss that those shown were told to have. */
static void what_is_evaluated_is_what_is_saved(void **state) {
    for (size_t s = 0; s < RECIPES_COUNT; s++) {
        struct subject *subject = (struct subject *)*state + s, again = *subject;
        struct network_train_options options = subject_options(subject);
        options.average = AVERAGE, options.blend = BLEND;
        struct course course = course_begin(subject, &options);
        struct network_train_batch batch;
        for (int t = 0; t < STEPS; t++) {
            batch = course_draw(&course);
            course_step(&course, &batch);
        }
        double loss = course_evaluate(&course, &batch);
        size_t count;
        free(saved_weights(subject, &course, &count));
        snprintf(again.weights, sizeof(again.weights), "%s/saved.safetensors",
                 subject->folder.path);
        struct course fresh = begin(&again, 0);
        assert_true(fabs(course_evaluate(&fresh, &batch) - loss) <= 1e-5 * loss);
        course_end(&fresh);
        course_end(&course);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_saved_is_the_mean_of_what_the_steps_passed_through),
        cmocka_unit_test(a_blend_goes_that_part_of_the_way_from_the_beginning),
        cmocka_unit_test(what_is_evaluated_is_what_is_saved),
    };
    return cmocka_run_group_tests(tests, subjects_open, subjects_close);
}
