/* A training's state on disk: who goes on from it goes on as if nothing had happened, bit by bit,
 * and what does not fit is refused before anything is changed. */
#include "tests/parity/train_course.h"

#include "model/network/network.h"
#include "model/safetensors.h"

#include <math.h>

enum { STEPS = 3 /* before the state is saved, and after */, COLUMNS_SEED = 5 };
#define LATER_RATE 4e-4 /* set before the last step that comes before the state */

static const enum network_train_loss LOSSES[] = {NETWORK_TRAIN_CONTRASTIVE, NETWORK_TRAIN_COSFACE,
                                                 NETWORK_TRAIN_ARCFACE};
enum { LOSSES_COUNT = sizeof(LOSSES) / sizeof(LOSSES[0]) };

static struct network_train_options options_of(const struct subject *subject,
                                               enum network_train_loss loss) {
    struct network_train_options options = subject_options(subject);
    options.loss = loss;
    options.identities = MADE_UP_PEOPLE;
    options.seed = COLUMNS_SEED;
    options.average = loss == NETWORK_TRAIN_COSFACE ? 0.9 : 0;
    return options;
}

/* Pairs for the contrastive loss, people for the others. */
static double draw_and_step(struct course *course, enum network_train_loss loss) {
    struct network_train_batch batch =
        loss == NETWORK_TRAIN_CONTRASTIVE ? course_draw(course) : course_draw_people(course);
    return course_step(course, &batch);
}

static void go(struct course *course, enum network_train_loss loss, double *losses) {
    for (int i = 0; i < STEPS; i++) {
        if (i == STEPS - 1)
            assert_int_equal(network_train_set_learning_rate(course->train, LATER_RATE, NULL),
                             STATUS_OK);
        losses[i] = draw_and_step(course, loss);
    }
}

static void save_state(const struct course *course, const char *path) {
    struct error err;
    unlink(path);
    if (network_train_save_state(course->train, path, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
}

static void load_state(struct course *course, const char *path) {
    struct error err;
    if (network_train_load_state(course->train, path, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
}

static void assert_same_file(const char *one_path, const char *two_path) {
    char one[4096], two[sizeof(one)];
    FILE *a = fopen(one_path, "rb"), *b = fopen(two_path, "rb");
    assert_non_null(a);
    assert_non_null(b);
    size_t size;
    do {
        size = fread(one, 1, sizeof(one), a);
        assert_int_equal(fread(two, 1, sizeof(two), b), size);
        assert_memory_equal(one, two, size);
    } while (size > 0);
    fclose(a);
    fclose(b);
}

/* Saves weights and state as they are at the end. */
static void finish(struct course *course, const char *weights, const char *state) {
    unlink(weights);
    course_save(course, weights);
    save_state(course, state);
    course_end(course);
}

struct places {
    char half[96], state[2][96], weights[2][96];
};

static struct places places_of(const struct subject *s) {
    struct places places;
    snprintf(places.half, sizeof(places.half), "%s/half", s->folder.path);
    for (int i = 0; i < 2; i++) {
        snprintf(places.state[i], sizeof(places.state[i]), "%s/state-%d", s->folder.path, i);
        snprintf(places.weights[i], sizeof(places.weights[i]), "%s/weights-%d", s->folder.path, i);
    }
    return places;
}

static void a_training_goes_on_bit_by_bit(void **state) {
    for (size_t k = 0; k < (size_t)RECIPES_COUNT * LOSSES_COUNT; k++) {
        const struct subject *s = (struct subject *)*state + k / LOSSES_COUNT;
        enum network_train_loss loss = LOSSES[k % LOSSES_COUNT];
        struct network_train_options options = options_of(s, loss);
        struct places places = places_of(s);
        double straight[2 * STEPS], resumed[STEPS];
        struct course course = course_begin(s, &options);
        go(&course, loss, straight);
        save_state(&course, places.half);
        struct random_generator place = course.pairs.generator;
        go(&course, loss, straight + STEPS);
        finish(&course, places.weights[0], places.state[0]);

        course = course_begin(s, &options);
        course.pairs.generator = place;
        load_state(&course, places.half);
        go(&course, loss, resumed);
        finish(&course, places.weights[1], places.state[1]);
        assert_memory_equal(straight + STEPS, resumed, sizeof(resumed));
        assert_same_file(places.weights[0], places.weights[1]);
        assert_same_file(places.state[0], places.state[1]);
    }
}

static void a_training_goes_back_to_what_it_was(void **state) {
    const struct subject *vit = *state;
    struct network_train_options options = options_of(vit, NETWORK_TRAIN_COSFACE);
    struct places places = places_of(vit);
    double first[STEPS], again[STEPS];
    struct course course = course_begin(vit, &options);
    save_state(&course, places.half); /* of no step at all */
    struct random_generator place = course.pairs.generator;
    go(&course, options.loss, first);
    load_state(&course, places.half);
    course.pairs.generator = place;
    go(&course, options.loss, again);
    assert_memory_equal(first, again, sizeof(first));
    course_end(&course);
}

/* The columns are of use to the training alone. */
static void saved_weights_hold_no_columns(void **state) {
    const struct subject *vit = *state;
    struct network_train_options options = options_of(vit, NETWORK_TRAIN_ARCFACE);
    struct places places = places_of(vit);
    struct course course = course_begin(vit, &options);
    finish(&course, places.weights[0], places.state[0]);
    assert_moved(vit->weights, places.weights[0], "none");
    struct safetensors *file;
    assert_int_equal(safetensors_open(places.state[0], &file, NULL), STATUS_OK);
    const struct safetensors_tensor *columns = safetensors_find(file, "value/softmax.columns");
    assert_non_null(columns);
    assert_int_equal(columns->shape[0], MADE_UP_PEOPLE);
    assert_int_equal(columns->shape[1], vit->card.embedding.network_length);
    safetensors_close(file);
}

static void saving_a_state_overwrites_nothing(void **state) {
    const struct subject *vit = *state;
    struct network_train_options options = options_of(vit, NETWORK_TRAIN_CONTRASTIVE);
    struct places places = places_of(vit);
    struct error err;
    struct course course = course_begin(vit, &options);
    save_state(&course, places.half);
    assert_int_equal(network_train_save_state(course.train, places.half, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "File exists"));
    course_end(&course);
}

/* ---- what does not fit ---- */

/* Refused, with the cause; and the training goes on as one that was never asked. */
static void assert_refused(const struct subject *s, const struct network_train_options *options,
                           const char *path, const char *told) {
    struct course course = course_begin(s, options), other = course_begin(s, options);
    struct error err;
    draw_and_step(&course, options->loss);
    draw_and_step(&other, options->loss);
    assert_int_equal(network_train_load_state(course.train, path, &err), STATUS_INTERNAL);
    if (!strstr(err.detail, told))
        fail_msg("\"%s\" does not tell \"%s\"", err.detail, told);
    for (int i = 0; i < 2; i++)
        assert_true(draw_and_step(&course, options->loss) == draw_and_step(&other, options->loss));
    course_end(&course);
    course_end(&other);
}

/* The state of a training by `options` that has made some steps. */
static void make_state(const struct subject *s, const struct network_train_options *options,
                       const char *path) {
    struct course course = course_begin(s, options);
    double losses[STEPS];
    go(&course, options->loss, losses);
    save_state(&course, path);
    course_end(&course);
}

static void a_state_of_another_training_is_refused(void **state) {
    const struct subject *vit = *state;
    const struct network_train_options options = options_of(vit, NETWORK_TRAIN_COSFACE);
    struct places places = places_of(vit);
    make_state(vit, &options, places.half);
    struct network_train_options other = options;
    other.loss = NETWORK_TRAIN_ARCFACE;
    assert_refused(vit, &other, places.half, "another loss");
    other = options, other.margin = 0.4;
    assert_refused(vit, &other, places.half, "another margin");
    other = options, other.scale = 32;
    assert_refused(vit, &other, places.half, "another scale");
    other = options, other.identities++;
    assert_refused(vit, &other, places.half, "another identities");
    other = options, other.seed = UINT64_MAX;
    assert_refused(vit, &other, places.half, "another seed");
    other = options, other.beta1 = 0.8;
    assert_refused(vit, &other, places.half, "another beta1");
    other = options, other.beta2 = 0.99;
    assert_refused(vit, &other, places.half, "another beta2");
    other = options, other.epsilon = 1e-7;
    assert_refused(vit, &other, places.half, "another epsilon");
    other = options, other.blend = 0.5;
    assert_refused(vit, &other, places.half, "another blend");
    other = options, other.trainable = "last_2";
    assert_refused(vit, &other, places.half, "no tensor value/blocks.0.");
    other = options, other.trainable = "blocks.1.mlp.*";
    assert_refused(vit, &other, places.half, "no use for");
    struct subject moved = *vit;
    memset(moved.card.weights_sha256, 'a', sizeof(moved.card.weights_sha256) - 1);
    assert_refused(&moved, &options, places.half, "other weights");
}

/* A copy of the state in which one tensor is another. */
static void damage(const char *path, const char *damaged, const char *name, uint64_t rows,
                   float value) {
    struct safetensors *file;
    struct error err;
    unlink(damaged);
    assert_int_equal(safetensors_open(path, &file, &err), STATUS_OK);
    size_t count = safetensors_count(file);
    struct safetensors_tensor *tensors = calloc(count, sizeof(*tensors));
    assert_non_null(tensors);
    memcpy(tensors, safetensors_all(file), count * sizeof(*tensors));
    for (size_t i = 0; i < count; i++)
        if (strcmp(tensors[i].name, name) == 0) {
            tensors[i].shape[0] -= rows;
            ((float *)tensors[i].data)[0] = value;
        }
    assert_int_equal(safetensors_write(damaged, tensors, count, &err), STATUS_OK);
    free(tensors);
    safetensors_close(file);
}

static void a_damaged_state_is_refused(void **state) {
    const struct subject *vit = *state;
    const struct network_train_options options = options_of(vit, NETWORK_TRAIN_CONTRASTIVE);
    struct places places = places_of(vit);
    make_state(vit, &options, places.half);
    static const struct {
        const char *name, *told;
        uint64_t rows; /* that are missing */
        float value;
    } damages[] = {
        {"value/blocks.1.mlp.fc1.weight", "value/blocks.1.mlp.fc1.weight has another shape", 1, 0},
        {"m/blocks.1.mlp.fc1.weight", "not finite", 0, NAN},
        {"v/blocks.1.mlp.fc1.bias", "not finite", 0, INFINITY},
        {"v/blocks.1.mlp.fc1.bias", "below 0", 0, -1},
        {"progress", "damaged", 0, 0.5F},
        {"progress", "damaged", 0, 65536},
        {"progress", "damaged", 0, -1},
        {"progress", "another shape", 1, 0},
        {"options", "another loss", 0, 7},
        {"weights", "other weights", 0, 0},
    };
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        damage(places.half, places.state[0], damages[i].name, damages[i].rows, damages[i].value);
        assert_refused(vit, &options, places.state[0], damages[i].told);
    }
    assert_refused(vit, &options, vit->weights, "no tensor weights");
    assert_refused(vit, &options, "/nowhere", "No such file");
    assert_int_equal(truncate(places.half, 5000), 0);
    assert_refused(vit, &options, places.half, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_training_goes_on_bit_by_bit),
        cmocka_unit_test(a_training_goes_back_to_what_it_was),
        cmocka_unit_test(saved_weights_hold_no_columns),
        cmocka_unit_test(saving_a_state_overwrites_nothing),
        cmocka_unit_test(a_state_of_another_training_is_refused),
        cmocka_unit_test(a_damaged_state_is_refused),
    };
    return cmocka_run_group_tests(tests, subjects_open, subjects_close);
}
