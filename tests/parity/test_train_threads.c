/* A training gives the same bits whatever the number of threads that compute it. Each number has a
 * process of its own, since libtorch takes one for life. */
#include "tests/parity/train_course.h"

#include "model/network/network.h"

#include <sys/wait.h>

enum { STEPS = 3 };

/* Steps on pairs, then on people with batch-hard mining, all blocks trained: several shards each.
 */
static void train(const struct subject *subject, const char *weights, double *losses) {
    struct network_train_options options = subject_options(subject);
    options.trainable = "all";
    struct course course = course_begin(subject, &options);
    for (int i = 0; i < 2 * STEPS; i++) {
        struct network_train_batch batch =
            i < STEPS ? course_draw(&course) : course_draw_people(&course);
        losses[i] = course_step(&course, &batch);
    }
    struct network_train_batch batch = course_draw_people(&course);
    losses[2 * (size_t)STEPS] = course_evaluate(&course, &batch);
    course_save(&course, weights);
    course_end(&course);
}

/* Writes FOLDER/THREADS-I.weights and .losses for each recipe. Returns what the process does. */
static int train_all(const struct folder *folder, unsigned threads) {
    if (network_runtime_open("cpu", threads, NULL) != STATUS_OK)
        return 2;
    for (int i = 0; i < RECIPES_COUNT; i++) {
        char weights[PATH_MAX], path[PATH_MAX];
        double losses[2 * STEPS + 1];
        struct subject subject;
        subject_open(&subject, &RECIPES[i]);
        snprintf(weights, sizeof(weights), "%s/%u-%d.weights", folder->path, threads, i);
        snprintf(path, sizeof(path), "%s/%u-%d.losses", folder->path, threads, i);
        train(&subject, weights, losses);
        subject_close(&subject);
        FILE *file = fopen(path, "wb");
        if (!file || fwrite(losses, sizeof(losses), 1, file) != 1 || fclose(file) != 0)
            return 3;
    }
    return 0;
}

static void in_a_process(const struct folder *folder, unsigned threads) {
    pid_t child = fork();
    int outcome;
    assert_true(child >= 0);
    if (child == 0)
        _exit(train_all(folder, threads));
    assert_int_equal(waitpid(child, &outcome, 0), child);
    assert_true(WIFEXITED(outcome));
    assert_int_equal(WEXITSTATUS(outcome), 0);
}

static void assert_same_file(const struct folder *folder, unsigned one, unsigned two, int recipe,
                             const char *what) {
    static char bytes[2][1 << 25];
    const unsigned threads[2] = {one, two};
    size_t sizes[2];
    for (int i = 0; i < 2; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "%s/%u-%d.%s", folder->path, threads[i], recipe, what);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        sizes[i] = fread(bytes[i], 1, sizeof(bytes[i]), file);
        assert_in_range(sizes[i], 1, sizeof(bytes[i]) - 1);
        fclose(file);
    }
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(bytes[0], bytes[1], sizes[0]);
}

static void the_number_of_threads_changes_no_bit(void **state) {
    (void)state;
    struct folder folder = folder_create();
    for (unsigned threads = 1; threads <= 3; threads++)
        in_a_process(&folder, threads);
    for (unsigned threads = 2; threads <= 3; threads++)
        for (int recipe = 0; recipe < RECIPES_COUNT; recipe++) {
            assert_same_file(&folder, 1, threads, recipe, "losses");
            assert_same_file(&folder, 1, threads, recipe, "weights");
        }
    folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_number_of_threads_changes_no_bit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
