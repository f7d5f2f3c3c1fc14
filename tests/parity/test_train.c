/* Training against PyTorch's own, on the golden files of tests/parity/train (made by its
 * golden.py): the notebook's contrastive fine-tuning of the last block, step by step. */
#include "tests/parity/train_course.h"

#include "model/network/network.h"
#include "model/safetensors.h"
#include "tests/parity/device.h"

#include <math.h>

#define BAR 1e-3       /* of a loss, relative; of an embedding's component */
#define SAVED_BAR 1e-5 /* of a loss, relative, between two engines of ours */
enum { STEPS = 50, EMBEDDINGS = 2 };

/* What came of a recipe: PyTorch's, and ours. */
struct outcome {
    struct subject subject;
    struct safetensors *golden;
    const float *losses, *evaluations, *embedding; /* (STEPS), (2), (EMBEDDINGS, length) */
    double our_losses[STEPS], our_evaluations[3];  /* twice before it and once after */
    char before[96], after[96];                    /* saved weights */
};

static double off(double loss, float expected) {
    return fabs(loss - (double)expected) / (double)expected;
}

/* The batch that is only evaluated, which is the pairs' first. */
static double evaluate_first(const struct outcome *s, struct course *course) {
    struct made_up_pairs again = made_up_pairs_create(s->subject.recipe->pairs_seed, &course->rows);
    struct network_train_batch batch = made_up_pairs_draw(&again, &course->rows, course->n);
    double loss = course_evaluate(course, &batch);
    made_up_pairs_release(&again);
    return loss;
}

/* As golden.py goes through the batches: the first is only evaluated. */
static struct course begin(const struct outcome *s, const struct network_train_options *options) {
    struct course course = course_begin(&s->subject, options);
    course_draw(&course);
    return course;
}

/* The recipe followed once, for the tests that ask what came of it. */
static void follow(struct outcome *s) {
    struct network_train_options options = subject_options(&s->subject);
    struct course course = begin(s, &options);
    course_save(&course, s->before);
    for (int i = 0; i < 2; i++)
        s->our_evaluations[i] = evaluate_first(s, &course);
    for (int i = 0; i < STEPS; i++) {
        struct network_train_batch batch = course_draw(&course);
        s->our_losses[i] = course_step(&course, &batch);
    }
    course_save(&course, s->after);
    s->our_evaluations[2] = evaluate_first(s, &course);
    course_end(&course);
}

static void outcome_open(struct outcome *s, const struct recipe *recipe) {
    char golden[256];
    struct error err;
    subject_open(&s->subject, recipe);
    snprintf(s->before, sizeof(s->before), "%s/before.safetensors", s->subject.folder.path);
    snprintf(s->after, sizeof(s->after), "%s/after.safetensors", s->subject.folder.path);
    snprintf(golden, sizeof(golden), PARITY "train/%s.safetensors", recipe->name);
    if (safetensors_open(golden, &s->golden, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    s->losses = safetensors_find(s->golden, "losses")->data;
    s->evaluations = safetensors_find(s->golden, "evaluations")->data;
    s->embedding = safetensors_find(s->golden, "embedding")->data;
    follow(s);
}

static void outcome_close(struct outcome *s) {
    safetensors_close(s->golden);
    subject_close(&s->subject);
}

static void fifty_losses_are_within_a_thousandth_of_pytorchs(void **state) {
    for (const struct outcome *s = *state; s < (struct outcome *)*state + RECIPES_COUNT; s++) {
        double most = 0;
        for (int i = 0; i < STEPS; i++)
            most = fmax(most, off(s->our_losses[i], s->losses[i]));
        print_message("%s: %d losses, the farthest off by %.2e of it\n", s->subject.recipe->name,
                      STEPS, most);
        assert_true(most <= BAR);
    }
}

static void evaluation_gives_pytorchs_loss_and_moves_nothing(void **state) {
    for (const struct outcome *s = *state; s < (struct outcome *)*state + RECIPES_COUNT; s++) {
        assert_true(off(s->our_evaluations[0], s->evaluations[0]) <= BAR);
        assert_true(s->our_evaluations[1] == s->our_evaluations[0]);
        assert_true(off(s->our_evaluations[2], s->evaluations[1]) <= BAR);
        assert_true(off(s->our_evaluations[2], s->evaluations[0]) > BAR); /* something was learnt */
    }
}

/* Mistakes that a training is likely to have, made through the options and the batches. */
enum mistake { LABELS_REVERSED, MARGIN_TWO, NO_BIAS_CORRECTION, EVERYTHING_TRAINED, MISTAKES };
static const char *const MISTAKE_NAMES[MISTAKES] = {
    "labels reversed", "margin 2", "Adam without bias correction", "everything trained"};

/* The corrections are factors of the rate, but for ε. */
static void undo_bias_correction(struct course *course, const struct network_train_options *options,
                                 int steps) {
    double rate = options->learning_rate * (1 - pow(options->beta1, steps)) /
                  sqrt(1 - pow(options->beta2, steps));
    assert_int_equal(network_train_set_learning_rate(course->train, rate, NULL), STATUS_OK);
}

/* The first step whose loss is beyond the bar, from 0; STEPS when there is none. */
static int first_step_off(const struct outcome *s, enum mistake mistake, double *how_far) {
    struct network_train_options options = subject_options(&s->subject);
    if (mistake == MARGIN_TWO)
        options.margin = 2;
    if (mistake == EVERYTHING_TRAINED)
        options.trainable = "all";
    struct course course = begin(s, &options);
    int i = 0;
    for (; i < STEPS; i++) {
        struct network_train_batch batch = course_draw(&course);
        for (uint32_t k = 0; mistake == LABELS_REVERSED && k < batch.n; k++)
            course.pairs.same[k] = !course.pairs.same[k];
        if (mistake == NO_BIAS_CORRECTION)
            undo_bias_correction(&course, &options, i + 1);
        *how_far = off(course_step(&course, &batch), s->losses[i]);
        if (*how_far > BAR)
            break;
    }
    course_end(&course);
    return i;
}

static void a_mistaken_training_is_noticed(void **state) {
    for (const struct outcome *s = *state; s < (struct outcome *)*state + RECIPES_COUNT; s++)
        for (enum mistake mistake = 0; mistake < MISTAKES; mistake++) {
            double how_far = 0;
            int at = first_step_off(s, mistake, &how_far);
            print_message("%s, %s: step %d is off by %.2e\n", s->subject.recipe->name,
                          MISTAKE_NAMES[mistake], at + 1, how_far);
            assert_true(at < STEPS);
        }
}

static void only_the_last_block_moves(void **state) {
    for (const struct outcome *s = *state; s < (struct outcome *)*state + RECIPES_COUNT; s++) {
        assert_moved(s->subject.weights, s->before, "none");
        assert_moved(s->before, s->after, s->subject.recipe->last_block);
    }
}

/* images (n, 3, side, side) -> (n, length); for the caller to free. */
static float *embed_with(const struct outcome *s, const char *weights, const float *images,
                         uint32_t n) {
    struct network *network = NULL;
    struct error err;
    float *out = calloc((size_t)n * s->subject.card.embedding_length, sizeof(*out));
    if (!out || network_open(&s->subject.card, weights, &network, &err) != STATUS_OK ||
        network_embed(network, images, n, out, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    network_close(network);
    return out;
}

static void saved_weights_give_the_embeddings_of_pytorchs_training(void **state) {
    for (const struct outcome *s = *state; s < (struct outcome *)*state + RECIPES_COUNT; s++) {
        float *out = embed_with(s, s->after, s->subject.people.images, EMBEDDINGS);
        double most = 0;
        for (size_t i = 0; i < (size_t)EMBEDDINGS * s->subject.card.embedding_length; i++)
            most = fmax(most, fabs((double)out[i] - (double)s->embedding[i]));
        print_message("%s: embeddings after training, largest difference %.2e\n",
                      s->subject.recipe->name, most);
        assert_true(most <= BAR);
        free(out);
    }
}

/* train.h's formula, in double. */
static double contrastive_loss(const float *a, const float *b, const uint8_t *same, uint32_t n,
                               size_t length) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        double squares = 0;
        for (size_t k = i * length; k < (i + 1) * length; k++)
            squares += pow((double)a[k] - (double)b[k] + 1e-6, 2);
        double lack = fmax(1 - sqrt(squares), 0);
        sum += same[i] ? squares : lack * lack;
    }
    return sum / n;
}

static void saved_weights_have_the_loss_that_the_training_ended_with(void **state) {
    for (const struct outcome *s = *state; s < (struct outcome *)*state + RECIPES_COUNT; s++) {
        struct made_up_pairs pairs =
            made_up_pairs_create(s->subject.recipe->pairs_seed, &s->subject.people);
        struct network_train_batch batch =
            made_up_pairs_draw(&pairs, &s->subject.people, s->subject.recipe->pairs);
        float *a = embed_with(s, s->after, batch.a, batch.n);
        float *b = embed_with(s, s->after, batch.b, batch.n);
        double loss = contrastive_loss(a, b, batch.same, batch.n, s->subject.card.embedding_length);
        assert_true(fabs(loss - s->our_evaluations[2]) <= SAVED_BAR * loss);
        free(a);
        free(b);
        made_up_pairs_release(&pairs);
    }
}

static void saving_overwrites_nothing(void **state) {
    const struct outcome *vit = *state;
    struct course course = begin(vit, &NETWORK_TRAIN_OPTIONS_DEFAULT);
    struct error err;
    assert_int_equal(network_train_save(course.train, vit->after, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "after.safetensors: File exists"));
    assert_moved(vit->before, vit->after, vit->subject.recipe->last_block);
    course_end(&course);
}

static void a_loss_that_is_not_finite_is_an_error_and_moves_nothing(void **state) {
    const struct outcome *vit = *state;
    struct course course = begin(vit, &NETWORK_TRAIN_OPTIONS_DEFAULT);
    for (int i = 0; i < 3;
         i++) { /* nor Adam's count of steps: the losses go on as if nothing were */
        struct network_train_batch batch = course_draw(&course);
        struct error err;
        double loss = -1;
        float *value = &course.pairs.b[17], kept = *value;
        *value = i == 0 ? NAN : INFINITY;
        assert_int_equal(network_train_step(course.train, &batch, &loss, &err), STATUS_INTERNAL);
        assert_non_null(strstr(err.detail, "not finite"));
        assert_int_equal(network_train_evaluate(course.train, &batch, &loss, &err),
                         STATUS_INTERNAL);
        assert_non_null(strstr(err.detail, "not finite"));
        assert_true(loss == -1);
        *value = kept;
        assert_true(course_step(&course, &batch) == vit->our_losses[i]);
    }
    course_end(&course);
}

static int close_outcomes(void **state) {
    for (struct outcome *s = *state; s < (struct outcome *)*state + RECIPES_COUNT; s++)
        outcome_close(s);
    free(*state);
    return 0;
}

static int open_outcomes(void **state) {
    struct outcome *outcomes = calloc(RECIPES_COUNT, sizeof(*outcomes));
    struct error err;
    if (!outcomes || network_runtime_open(parity_device(), 1, &err) != STATUS_OK)
        return -1;
    for (size_t i = 0; i < RECIPES_COUNT; i++)
        outcome_open(&outcomes[i], &RECIPES[i]);
    *state = outcomes;
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fifty_losses_are_within_a_thousandth_of_pytorchs),
        cmocka_unit_test(evaluation_gives_pytorchs_loss_and_moves_nothing),
        cmocka_unit_test(a_mistaken_training_is_noticed),
        cmocka_unit_test(only_the_last_block_moves),
        cmocka_unit_test(saved_weights_give_the_embeddings_of_pytorchs_training),
        cmocka_unit_test(saved_weights_have_the_loss_that_the_training_ended_with),
        cmocka_unit_test(saving_overwrites_nothing),
        cmocka_unit_test(a_loss_that_is_not_finite_is_an_error_and_moves_nothing),
    };
    return cmocka_run_group_tests(tests, open_outcomes, close_outcomes);
}
