/* A training asks whether to go on after each piece of its work; a call that is ended by the answer
 * leaves it as it was. */
#include "tests/parity/train_course.h"
#include "tests/unit/asked.h"

enum { IMAGES = MADE_UP_PEOPLE * MADE_UP_IMAGES };
enum { BATCHES = (IMAGES + NETWORK_TRAIN_FIXED_BATCH - 1) / NETWORK_TRAIN_FIXED_BATCH };

/* The vision transformer, all of it trained; of pairs, or with columns. */
static struct network_train_options options_of(const struct subject *s, bool columns,
                                               struct asked *asked) {
    struct network_train_options options = subject_options(s);
    options.trainable = "all";
    options.identities = MADE_UP_PEOPLE;
    if (columns) {
        options.loss = NETWORK_TRAIN_COSFACE;
        options.margin = 0.35;
    }
    options.go_on = asked_go_on(asked);
    return options;
}

static void each_batch_of_faces_is_a_sign_of_life(void **state) {
    const struct subject *s = *state;
    struct asked asked = {0};
    struct network_train_options options = options_of(s, false, &asked);
    struct course course = course_begin(s, &options);
    assert_int_equal(asked.times, BATCHES); /* of freezing */
    float *embeddings = calloc((size_t)IMAGES * s->card.embedding.network_length, sizeof(float));
    assert_non_null(embeddings);
    asked = (struct asked){0};
    assert_int_equal(
        network_train_embed(course.train, course.rows.images, IMAGES, embeddings, NULL), STATUS_OK);
    assert_int_equal(asked.times, BATCHES);
    asked = (struct asked){.ends_at = 2};
    assert_int_equal(
        network_train_embed(course.train, course.rows.images, IMAGES, embeddings, NULL),
        STATUS_DRAINING);
    assert_int_equal(asked.times, 2);
    free(embeddings);
    course_end(&course);
}

/* Pairs of eight rows each way are two shards, forward and back. */
static void each_shard_of_a_step_is_a_sign_of_life(void **state) {
    const struct subject *s = *state;
    struct asked asked = {0};
    struct network_train_options options = options_of(s, false, &asked);
    struct course course = course_begin(s, &options);
    struct network_train_batch batch = course_draw(&course);
    uint64_t shards = 2 * ((batch.n + 7) / 8);
    asked = (struct asked){0};
    course_step(&course, &batch);
    assert_int_equal(asked.times, 2 * shards);
    course_end(&course);
}

/* Ended at its first answer, then at its second, …, until it is taken. */
static double step_at_last(struct course *course, const struct network_train_batch *batch,
                           struct asked *asked) {
    double loss = -1;
    enum status status;
    uint64_t ends_at = 0;
    do {
        assert_true(loss < 0); /* one that is not taken tells none */
        *asked = (struct asked){.ends_at = ++ends_at};
        status = network_train_step(course->train, batch, &loss, NULL);
    } while (status == STATUS_DRAINING);
    assert_int_equal(status, STATUS_OK);
    assert_true(ends_at > 2);
    *asked = (struct asked){0};
    return loss;
}

static void a_step_that_is_ended_is_not_taken(void **state) {
    const struct subject *s = *state;
    enum { STEPS = 3 };
    for (int columns = 0; columns < 2; columns++) {
        struct asked none = {0}, asked = {0};
        struct network_train_options options = options_of(s, columns, &none);
        struct course straight = course_begin(s, &options);
        options.go_on = asked_go_on(&asked);
        struct course ended = course_begin(s, &options);
        for (int i = 0; i < STEPS; i++) {
            struct network_train_batch batch =
                columns ? course_draw_people(&straight) : course_draw(&straight);
            double expected = course_step(&straight, &batch);
            assert_true(step_at_last(&ended, &batch, &asked) == expected);
        }
        course_end(&straight);
        course_end(&ended);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_batch_of_faces_is_a_sign_of_life),
        cmocka_unit_test(each_shard_of_a_step_is_a_sign_of_life),
        cmocka_unit_test(a_step_that_is_ended_is_not_taken),
    };
    return cmocka_run_group_tests(tests, subjects_open, subjects_close);
}
