/* The losses of batches of people against PyTorch's, on the golden files of
 * tests/parity/train/golden_losses.py: ten steps each, and trainings with a mistake, which the bar
 * tells apart. */
#include "tests/parity/train_course.h"

#include "model/network/network.h"
#include "model/safetensors.h"
#include "tests/parity/device.h"

#include <math.h>

#define BAR 1e-3 /* of a loss, relative */
enum { STEPS = 10, COLUMNS_SEED = 11 };

static const struct {
    const char *name; /* of PyTorch's losses in the golden file; a mistake's is NAME/MISTAKE */
    enum network_train_loss loss;
    double margin, scale;
} LOSSES[] = {
    {"batch_hard", NETWORK_TRAIN_CONTRASTIVE, 1, 0},
    {"cosface", NETWORK_TRAIN_COSFACE, 0.35, 30},
    {"arcface", NETWORK_TRAIN_ARCFACE, 0.5, 30},
    {"arcface_far", NETWORK_TRAIN_ARCFACE, 1.5, 10}, /* many angles and the margin pass π */
};
enum { LOSSES_COUNT = sizeof(LOSSES) / sizeof(LOSSES[0]) };

struct outcome {
    struct subject subject;
    struct safetensors *golden;
    double losses[LOSSES_COUNT][STEPS]; /* ours */
};

static struct network_train_options options_of(const struct subject *subject, size_t loss) {
    struct network_train_options options = subject_options(subject);
    options.loss = LOSSES[loss].loss;
    options.margin = LOSSES[loss].margin;
    options.scale = LOSSES[loss].scale;
    options.identities = MADE_UP_PEOPLE;
    options.seed = COLUMNS_SEED;
    return options;
}

static void follow(struct outcome *s, size_t loss) {
    struct network_train_options options = options_of(&s->subject, loss);
    struct course course = course_begin(&s->subject, &options);
    for (int i = 0; i < STEPS; i++) {
        struct network_train_batch batch = course_draw_people(&course);
        double alone = course_evaluate(&course, &batch);
        s->losses[loss][i] = course_step(&course, &batch);
        assert_true(fabs(alone - s->losses[loss][i]) <= (double)parity_bar(1e-5F) * alone);
    }
    course_end(&course);
}

static int open_outcomes(void **state) {
    struct outcome *outcomes = calloc(RECIPES_COUNT, sizeof(*outcomes));
    struct error err;
    if (!outcomes || network_runtime_open(parity_device(), 1, &err) != STATUS_OK)
        return -1;
    for (size_t i = 0; i < RECIPES_COUNT; i++) {
        char golden[256];
        snprintf(golden, sizeof(golden), PARITY "train/losses-%s.safetensors", RECIPES[i].name);
        if (safetensors_open(golden, &outcomes[i].golden, &err) != STATUS_OK)
            fail_msg("%s", err.detail);
        subject_open(&outcomes[i].subject, &RECIPES[i]);
        for (size_t loss = 0; loss < LOSSES_COUNT; loss++)
            follow(&outcomes[i], loss);
    }
    *state = outcomes;
    return 0;
}

static int close_outcomes(void **state) {
    for (struct outcome *s = *state; s < (struct outcome *)*state + RECIPES_COUNT; s++) {
        safetensors_close(s->golden);
        subject_close(&s->subject);
    }
    free(*state);
    return 0;
}

/* By how much of it the farthest of our losses is off. */
static double farthest(const double *ours, const struct safetensors_tensor *golden) {
    double most = 0;
    assert_int_equal(golden->shape[0], STEPS);
    for (int i = 0; i < STEPS; i++)
        most = fmax(most, fabs(ours[i] - (double)golden->data[i]) / (double)golden->data[i]);
    return most;
}

static void ten_losses_are_within_a_thousandth_of_pytorchs(void **state) {
    for (const struct outcome *s = *state; s < (struct outcome *)*state + RECIPES_COUNT; s++)
        for (size_t loss = 0; loss < LOSSES_COUNT; loss++) {
            const struct safetensors_tensor *golden =
                safetensors_find(s->golden, LOSSES[loss].name);
            double most = farthest(s->losses[loss], golden);
            print_message("%s, %s: the farthest loss is off by %.2e\n", s->subject.recipe->name,
                          LOSSES[loss].name, most);
            assert_true(most <= BAR);
        }
}

/* The place in LOSSES of what the mistaken training was to be; none for a right one. */
static size_t meant_by(const char *name) {
    size_t loss = 0;
    const char *slash = strchr(name, '/');
    while (loss < LOSSES_COUNT && !(slash && strlen(LOSSES[loss].name) == (size_t)(slash - name) &&
                                    memcmp(LOSSES[loss].name, name, (size_t)(slash - name)) == 0))
        loss++;
    return loss;
}

static void a_mistaken_loss_is_noticed(void **state) {
    for (const struct outcome *s = *state; s < (struct outcome *)*state + RECIPES_COUNT; s++) {
        size_t mistakes = 0;
        for (size_t i = 0; i < safetensors_count(s->golden); i++) {
            const struct safetensors_tensor *golden = &safetensors_all(s->golden)[i];
            size_t meant = meant_by(golden->name);
            if (meant == LOSSES_COUNT)
                continue;
            double most = farthest(s->losses[meant], golden);
            print_message("%s, %s: off by %.2e\n", s->subject.recipe->name, golden->name, most);
            assert_true(most > BAR);
            mistakes++;
        }
        assert_int_equal(mistakes + LOSSES_COUNT, safetensors_count(s->golden));
    }
}

/* Rows that are all one person's have no negatives, rows of different people no positives. */
static void mining_takes_the_pairs_that_there_are(void **state) {
    const struct outcome *vit = *state;
    struct network_train_options options = options_of(&vit->subject, 0);
    struct course course = course_begin(&vit->subject, &options);
    uint32_t length = vit->subject.card.embedding.network_length;
    struct network_train_batch batch = course_draw_people(&course);
    float *out = calloc(2 * length, sizeof(*out));
    assert_non_null(out);
    batch.n = 2;
    assert_int_equal(network_train_embed(course.train, batch.rows, 2, out, NULL), STATUS_OK);
    double squares = 0;
    for (uint32_t i = 0; i < length; i++)
        squares += pow((double)out[i] - (double)out[length + i], 2);
    course.pairs.identity[0] = course.pairs.identity[1] = 4000000000;
    assert_true(fabs(course_evaluate(&course, &batch) - squares) <= 1e-4 * squares);
    course.pairs.identity[1] = 7;
    double lack = fmax(options.margin - sqrt(squares), 0);
    assert_true(fabs(course_evaluate(&course, &batch) - lack * lack) <= 1e-4);
    free(out);
    course_end(&course);
}

static void one_row_makes_no_pair(void **state) {
    const struct outcome *vit = *state;
    struct network_train_options options = options_of(&vit->subject, 0);
    struct course course = course_begin(&vit->subject, &options);
    struct network_train_batch batch = course_draw_people(&course);
    struct error err;
    double loss = -1;
    batch.n = 1;
    assert_int_equal(network_train_step(course.train, &batch, &loss, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "makes no pair"));
    assert_true(loss == -1);
    course_end(&course);
}

/* Whatever the loss: nothing has moved, and the next losses are those without the accident. */
static void a_row_that_is_not_finite_is_an_error_and_moves_nothing(void **state) {
    const struct outcome *vit = *state;
    for (size_t loss = 0; loss < LOSSES_COUNT; loss++) {
        struct network_train_options options = options_of(&vit->subject, loss);
        struct course course = course_begin(&vit->subject, &options);
        for (int i = 0; i < 2; i++) {
            struct network_train_batch batch = course_draw_people(&course);
            struct error err;
            double got = -1;
            float *value = &course.pairs.a[17], kept = *value;
            *value = NAN;
            assert_int_equal(network_train_step(course.train, &batch, &got, &err), STATUS_INTERNAL);
            assert_non_null(strstr(err.detail, "not finite"));
            assert_true(got == -1);
            *value = kept;
            double expected = vit->losses[loss][i];
            assert_true(fabs(course_step(&course, &batch) - expected) <=
                        (double)parity_bar(0) * expected);
        }
        course_end(&course);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_losses_are_within_a_thousandth_of_pytorchs),
        cmocka_unit_test(a_mistaken_loss_is_noticed),
        cmocka_unit_test(mining_takes_the_pairs_that_there_are),
        cmocka_unit_test(one_row_makes_no_pair),
        cmocka_unit_test(a_row_that_is_not_finite_is_an_error_and_moves_nothing),
    };
    return cmocka_run_group_tests(tests, open_outcomes, close_outcomes);
}
