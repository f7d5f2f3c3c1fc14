/* Training against PyTorch's own, on the golden files of tests/parity/train (made by its
 * golden.py): the notebook's contrastive fine-tuning of the last block, step by step. */
#include "tests/unit/folder.h"

#include "model/card.h"
#include "model/import/vit.h"
#include "model/network/network.h"
#include "model/network/train.h"
#include "model/safetensors.h"
#include "tests/parity/device.h"
#include "tests/parity/made_up_people.h"

#include <math.h>

#define BAR 1e-3       /* of a loss, relative; of an embedding's component */
#define SAVED_BAR 1e-5 /* of a loss, relative, between two engines of ours */
#define PARITY FACEPAIR_SOURCE_DIR "/tests/parity/"
enum { STEPS = 50, EMBEDDINGS = 2 };

/* A network, and how golden.py trained it. */
struct recipe {
    const char *name, *last_block;
    uint32_t cell, pairs; /* pairs in a batch */
    uint64_t images_seed, pairs_seed;
    double learning_rate;
};
static const struct recipe RECIPES[] = {
    {"vit", "blocks.1.", 1, 8, 1, 2, 1e-3},
    {"dlib-resnet", "blocks.13.", 10, 4, 3, 4, 3e-5},
};
enum { RECIPES_COUNT = sizeof(RECIPES) / sizeof(RECIPES[0]) };

struct subject {
    const struct recipe *recipe;
    struct folder folder;
    struct card card;
    char weights[PATH_MAX];
    struct made_up_people people;
    struct safetensors *golden;
    const float *losses, *evaluations, *embedding; /* (STEPS), (2), (EMBEDDINGS, length) */

    /* What our own training by the same recipe gave. */
    double our_losses[STEPS], our_evaluations[3]; /* twice before it and once after */
    char before[96], after[96];                   /* saved weights */
};

/* A training under way on rows that were computed once, as fine-tuning does it: the batch for
 * evaluation has been drawn. */
struct course {
    struct network_train *train;
    struct made_up_people rows; /* of the people's images */
    struct made_up_pairs pairs;
};

static void import_notebook(const struct folder *data) {
    struct error err;
    const struct import_vit_options options = {.weights_path =
                                                   PARITY "vit/notebook/weights.safetensors",
                                               .config_path = PARITY "vit/notebook/config.json",
                                               .data_directory = data->path,
                                               .input = CARD_INPUT_FRAME};
    if (import_vit(&options, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
}

static void subject_open(struct subject *s, const struct recipe *recipe) {
    *s = (struct subject){.recipe = recipe, .folder = folder_create()};
    bool vit = strcmp(recipe->name, "vit") == 0;
    char version[PATH_MAX - 32], golden[256];
    struct error err;
    if (vit)
        import_notebook(&s->folder);
    snprintf(version, sizeof(version), "%s/models/%s/1",
             vit ? s->folder.path : FACEPAIR_PARITY_DATA, recipe->name);
    snprintf(s->weights, sizeof(s->weights), "%s/weights.safetensors", version);
    snprintf(s->before, sizeof(s->before), "%s/before.safetensors", s->folder.path);
    snprintf(s->after, sizeof(s->after), "%s/after.safetensors", s->folder.path);
    snprintf(golden, sizeof(golden), PARITY "train/%s.safetensors", recipe->name);
    if (card_read(version, &s->card, &err) != STATUS_OK ||
        safetensors_open(golden, &s->golden, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    s->losses = safetensors_find(s->golden, "losses")->data;
    s->evaluations = safetensors_find(s->golden, "evaluations")->data;
    s->embedding = safetensors_find(s->golden, "embedding")->data;
    s->people = made_up_people_draw(recipe->images_seed, s->card.input.side, recipe->cell);
}

static void subject_close(struct subject *s) {
    made_up_people_release(&s->people);
    safetensors_close(s->golden);
    card_release(&s->card);
    folder_remove(&s->folder);
}

static struct network_train_batch draw(const struct subject *s, struct course *course) {
    return made_up_pairs_draw(&course->pairs, &course->rows, s->recipe->pairs);
}

/* people as rows of the training; to be released. */
static struct made_up_people freeze(struct network_train *train,
                                    const struct made_up_people *people) {
    enum { IMAGES = MADE_UP_PEOPLE * MADE_UP_IMAGES };
    struct made_up_people rows = {.image_floats = network_train_row_values(train)};
    struct error err;
    rows.images = calloc(IMAGES * rows.image_floats, sizeof(float));
    assert_non_null(rows.images);
    if (network_train_freeze(train, people->images, IMAGES, rows.images, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return rows;
}

static struct network_train_options options_of(const struct subject *s) {
    struct network_train_options options = NETWORK_TRAIN_OPTIONS_DEFAULT;
    options.learning_rate = s->recipe->learning_rate;
    return options;
}

static struct course course_begin(const struct subject *s,
                                  const struct network_train_options *options,
                                  struct network_train_batch *evaluation) {
    struct course course;
    struct error err;
    if (network_train_begin(&s->card, s->weights, options, &course.train, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    course.rows = freeze(course.train, &s->people);
    course.pairs = made_up_pairs_create(s->recipe->pairs_seed, &course.rows);
    struct network_train_batch batch = draw(s, &course);
    if (evaluation)
        *evaluation = batch;
    return course;
}

static void course_end(struct course *course) {
    network_train_end(course->train);
    made_up_people_release(&course->rows);
    made_up_pairs_release(&course->pairs);
}

static double step(struct course *course, const struct network_train_batch *batch) {
    double loss;
    struct error err;
    if (network_train_step(course->train, batch, &loss, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return loss;
}

static double evaluate(struct course *course, const struct network_train_batch *batch) {
    double loss;
    struct error err;
    if (network_train_evaluate(course->train, batch, &loss, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return loss;
}

static void save(const struct course *course, const char *path) {
    struct error err;
    if (network_train_save(course->train, path, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
}

static double off(double loss, float expected) {
    return fabs(loss - (double)expected) / (double)expected;
}

/* The recipe followed once, for the tests that ask what came of it. */
static void follow(struct subject *s) {
    struct network_train_batch batch;
    struct network_train_options options = options_of(s);
    struct course course = course_begin(s, &options, &batch);
    save(&course, s->before);
    for (int i = 0; i < 2; i++)
        s->our_evaluations[i] = evaluate(&course, &batch);
    for (int i = 0; i < STEPS; i++) {
        batch = draw(s, &course);
        s->our_losses[i] = step(&course, &batch);
    }
    save(&course, s->after);
    struct made_up_pairs again = made_up_pairs_create(s->recipe->pairs_seed, &course.rows);
    batch = made_up_pairs_draw(&again, &course.rows, s->recipe->pairs);
    s->our_evaluations[2] = evaluate(&course, &batch);
    made_up_pairs_release(&again);
    course_end(&course);
}

static void fifty_losses_are_within_a_thousandth_of_pytorchs(void **state) {
    for (const struct subject *s = *state; s < (struct subject *)*state + RECIPES_COUNT; s++) {
        double most = 0;
        for (int i = 0; i < STEPS; i++)
            most = fmax(most, off(s->our_losses[i], s->losses[i]));
        print_message("%s: %d losses, the farthest off by %.2e of it\n", s->recipe->name, STEPS,
                      most);
        assert_true(most <= BAR);
    }
}

static void evaluation_gives_pytorchs_loss_and_moves_nothing(void **state) {
    for (const struct subject *s = *state; s < (struct subject *)*state + RECIPES_COUNT; s++) {
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
static int first_step_off(const struct subject *s, enum mistake mistake, double *how_far) {
    struct network_train_options options = options_of(s);
    if (mistake == MARGIN_TWO)
        options.margin = 2;
    if (mistake == EVERYTHING_TRAINED)
        options.trainable = "all";
    struct course course = course_begin(s, &options, NULL);
    int i = 0;
    for (; i < STEPS; i++) {
        struct network_train_batch batch = draw(s, &course);
        for (uint32_t k = 0; mistake == LABELS_REVERSED && k < batch.n; k++)
            course.pairs.same[k] = !course.pairs.same[k];
        if (mistake == NO_BIAS_CORRECTION)
            undo_bias_correction(&course, &options, i + 1);
        *how_far = off(step(&course, &batch), s->losses[i]);
        if (*how_far > BAR)
            break;
    }
    course_end(&course);
    return i;
}

static void a_mistaken_training_is_noticed(void **state) {
    for (const struct subject *s = *state; s < (struct subject *)*state + RECIPES_COUNT; s++)
        for (enum mistake mistake = 0; mistake < MISTAKES; mistake++) {
            double how_far = 0;
            int at = first_step_off(s, mistake, &how_far);
            print_message("%s, %s: step %d is off by %.2e\n", s->recipe->name,
                          MISTAKE_NAMES[mistake], at + 1, how_far);
            assert_true(at < STEPS);
        }
}

static size_t tensor_bytes(const struct safetensors_tensor *tensor) {
    size_t bytes = sizeof(float);
    for (uint32_t i = 0; i < tensor->rank; i++)
        bytes *= tensor->shape[i];
    return bytes;
}

/* Adding the same to both embeddings leaves their distance: this tensor has no gradient. */
static bool cancels(const char *name) { return strcmp(name, "fc_norm.bias") == 0; }

/* The files hold tensors of the same names and shapes; those whose names begin with moved differ in
 * some bit, the others in none. */
static void assert_moved(const char *before_path, const char *after_path, const char *moved) {
    struct safetensors *before = NULL, *after = NULL;
    struct error err;
    if (safetensors_open(before_path, &before, &err) != STATUS_OK ||
        safetensors_open(after_path, &after, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    assert_int_equal(safetensors_count(before), safetensors_count(after));
    for (size_t i = 0; i < safetensors_count(before); i++) {
        const struct safetensors_tensor *was = &safetensors_all(before)[i];
        const struct safetensors_tensor *is = safetensors_find(after, was->name);
        assert_non_null(is);
        assert_int_equal(was->rank, is->rank);
        assert_memory_equal(was->shape, is->shape, sizeof(was->shape));
        bool equal = memcmp(was->data, is->data, tensor_bytes(was)) == 0;
        if (!cancels(was->name) && equal == (strncmp(was->name, moved, strlen(moved)) == 0))
            fail_msg("%s has %s", was->name, equal ? "not moved" : "moved");
    }
    safetensors_close(before);
    safetensors_close(after);
}

static void only_the_last_block_moves(void **state) {
    for (const struct subject *s = *state; s < (struct subject *)*state + RECIPES_COUNT; s++) {
        assert_moved(s->weights, s->before, "none");
        assert_moved(s->before, s->after, s->recipe->last_block);
    }
}

static void more_moves_where_more_is_trained(void **state) {
    static const struct {
        const char *trainable, *moved;
    } scopes[] = {{"last_2", "blocks."}, {"all", ""}};
    const struct subject *vit = *state;
    for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
        struct network_train_options options = NETWORK_TRAIN_OPTIONS_DEFAULT;
        options.trainable = scopes[i].trainable;
        struct course course = course_begin(vit, &options, NULL);
        struct network_train_batch batch = draw(vit, &course);
        char saved[128];
        snprintf(saved, sizeof(saved), "%s/%zu.safetensors", vit->folder.path, i);
        step(&course, &batch);
        save(&course, saved);
        course_end(&course);
        assert_moved(vit->weights, saved, scopes[i].moved);
    }
}

/* images (n, 3, side, side) -> (n, length); for the caller to free. */
static float *embed_with(const struct subject *s, const char *weights, const float *images,
                         uint32_t n) {
    struct network *network;
    struct error err;
    float *out = calloc((size_t)n * s->card.embedding_length, sizeof(*out));
    if (!out || network_open(&s->card, weights, &network, &err) != STATUS_OK ||
        network_embed(network, images, n, out, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    network_close(network);
    return out;
}

static void saved_weights_give_the_embeddings_of_pytorchs_training(void **state) {
    for (const struct subject *s = *state; s < (struct subject *)*state + RECIPES_COUNT; s++) {
        float *out = embed_with(s, s->after, s->people.images, EMBEDDINGS);
        double most = 0;
        for (size_t i = 0; i < (size_t)EMBEDDINGS * s->card.embedding_length; i++)
            most = fmax(most, fabs((double)out[i] - (double)s->embedding[i]));
        print_message("%s: embeddings after training, largest difference %.2e\n", s->recipe->name,
                      most);
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
    for (const struct subject *s = *state; s < (struct subject *)*state + RECIPES_COUNT; s++) {
        struct made_up_pairs pairs = made_up_pairs_create(s->recipe->pairs_seed, &s->people);
        struct network_train_batch batch = made_up_pairs_draw(&pairs, &s->people, s->recipe->pairs);
        float *a = embed_with(s, s->after, batch.a, batch.n);
        float *b = embed_with(s, s->after, batch.b, batch.n);
        double loss = contrastive_loss(a, b, batch.same, batch.n, s->card.embedding_length);
        assert_true(fabs(loss - s->our_evaluations[2]) <= SAVED_BAR * loss);
        free(a);
        free(b);
        made_up_pairs_release(&pairs);
    }
}

static void saving_overwrites_nothing(void **state) {
    const struct subject *vit = *state;
    struct course course = course_begin(vit, &NETWORK_TRAIN_OPTIONS_DEFAULT, NULL);
    struct error err;
    assert_int_equal(network_train_save(course.train, vit->after, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "after.safetensors: File exists"));
    assert_moved(vit->before, vit->after, vit->recipe->last_block);
    course_end(&course);
}

static void a_loss_that_is_not_finite_is_an_error_and_moves_nothing(void **state) {
    const struct subject *vit = *state;
    struct course course = course_begin(vit, &NETWORK_TRAIN_OPTIONS_DEFAULT, NULL);
    for (int i = 0; i < 3;
         i++) { /* nor Adam's count of steps: the losses go on as if nothing were */
        struct network_train_batch batch = draw(vit, &course);
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
        assert_true(step(&course, &batch) == vit->our_losses[i]);
    }
    course_end(&course);
}

static int close_subjects(void **state) {
    for (struct subject *s = *state; s < (struct subject *)*state + RECIPES_COUNT; s++)
        subject_close(s);
    free(*state);
    return 0;
}

static int train_subjects(void **state) {
    struct subject *subjects = calloc(RECIPES_COUNT, sizeof(*subjects));
    struct error err;
    if (!subjects || network_runtime_open(parity_device(), 1, &err) != STATUS_OK)
        return -1;
    for (size_t i = 0; i < RECIPES_COUNT; i++) {
        subject_open(&subjects[i], &RECIPES[i]);
        follow(&subjects[i]);
    }
    *state = subjects;
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fifty_losses_are_within_a_thousandth_of_pytorchs),
        cmocka_unit_test(evaluation_gives_pytorchs_loss_and_moves_nothing),
        cmocka_unit_test(a_mistaken_training_is_noticed),
        cmocka_unit_test(only_the_last_block_moves),
        cmocka_unit_test(more_moves_where_more_is_trained),
        cmocka_unit_test(saved_weights_give_the_embeddings_of_pytorchs_training),
        cmocka_unit_test(saved_weights_have_the_loss_that_the_training_ended_with),
        cmocka_unit_test(saving_overwrites_nothing),
        cmocka_unit_test(a_loss_that_is_not_finite_is_an_error_and_moves_nothing),
    };
    return cmocka_run_group_tests(tests, train_subjects, close_subjects);
}
