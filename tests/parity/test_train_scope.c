/* Which tensors a training moves, where the network is cut for them, and what a row is. */
#include "tests/parity/train_course.h"

#include "model/network/network.h"
#include "model/safetensors.h"

#include <math.h>

#define EMBEDDING_BAR 1e-5 /* of a component */
enum { IMAGES = MADE_UP_PEOPLE * MADE_UP_IMAGES, VIT = 0, DLIB = 1 };

enum {
    VIT_FACE = 3 * 32 * 32,
    VIT_TOKENS = (4 * 4 + 4) * 32, /* patches and registers; as wide everywhere */
    DLIB_FACE = 3 * 150 * 150,
    DLIB_MIDDLE = 128 * 8 * 8, /* before block 10 */
    DLIB_LATE = 256 * 4 * 4,   /* before blocks 11 to 13 */
    DLIB_END = 256 * 2 * 2
};

static void what_is_chosen_moves_and_nothing_else(void **state) {
    static const struct {
        int network;
        size_t row_values;
        const char *trainable, *moved;
    } scopes[] = {
        {VIT, VIT_TOKENS, "last_block", "blocks.1.*"},
        {VIT, VIT_TOKENS, "last_1", "blocks.1.*"},
        {VIT, VIT_TOKENS, "last_2", "blocks.*"},
        {VIT, VIT_FACE, "all", "*"},
        {VIT, VIT_FACE, "*", "*"},
        {VIT, VIT_TOKENS, "blocks.1.mlp.*", "blocks.1.mlp.*"},
        {VIT, VIT_TOKENS, "blocks.?.norm?.weight", "blocks.?.norm?.weight"},
        {VIT, VIT_TOKENS, "fc_norm.*", "fc_norm.*"},
        {VIT, VIT_FACE, "reg_token", "reg_token"},
        {VIT, VIT_FACE, "blocks.1.*,nothing,pos_embed", "blocks.1.*,pos_embed"},
        {VIT, VIT_TOKENS, "*l*g*t*", "*l*g*t*"},
        {DLIB, DLIB_LATE, "last_block", "blocks.13.*"},
        {DLIB, DLIB_LATE, "last_3", "blocks.11.*,blocks.12.*,blocks.13.*"},
        {DLIB, DLIB_MIDDLE, "blocks.1?.*,head.*", "blocks.1?.*,head.*"},
        {DLIB, DLIB_END, "head.weight", "head.weight"},
        {DLIB, DLIB_FACE, "stem.bias", "stem.bias"},
        {DLIB, DLIB_FACE, "all", "*"},
    };
    for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
        const struct subject *s = (struct subject *)*state + scopes[i].network;
        struct network_train_options options = subject_options(s);
        options.trainable = scopes[i].trainable;
        struct course course = course_begin(s, &options);
        struct network_train_batch batch = course_draw(&course);
        char saved[96];
        snprintf(saved, sizeof(saved), "%s/%zu.safetensors", s->folder.path, i);
        assert_int_equal(network_train_row_values(course.train), scopes[i].row_values);
        course_step(&course, &batch);
        course_save(&course, saved);
        course_end(&course);
        assert_moved(s->weights, saved, scopes[i].moved);
    }
}

/* The columns learn beside a part of the network, whichever it is. */
static void a_softmax_moves_what_is_chosen_too(void **state) {
    for (size_t i = 0; i < RECIPES_COUNT; i++) {
        const struct subject *s = (struct subject *)*state + i;
        struct network_train_options options = subject_options(s);
        options.loss = NETWORK_TRAIN_COSFACE;
        options.identities = MADE_UP_PEOPLE;
        struct course course = course_begin(s, &options);
        struct network_train_batch batch = course_draw_people(&course);
        char saved[96];
        snprintf(saved, sizeof(saved), "%s/softmax.safetensors", s->folder.path);
        course_step(&course, &batch);
        course_save(&course, saved);
        course_end(&course);
        assert_moved(s->weights, saved, s->recipe->last_block);
    }
}

static void with_nothing_frozen_a_row_is_the_face(void **state) {
    const struct subject *s = *state;
    struct network_train_options options = subject_options(s);
    options.trainable = "all";
    struct course course = course_begin(s, &options);
    assert_memory_equal(course.rows.images, s->people.images, IMAGES * VIT_FACE * sizeof(float));
    course_end(&course);
}

/* Alone, among few, from the other end: the same bits. */
static void a_row_is_the_same_in_every_company(void **state) {
    for (size_t i = 0; i < RECIPES_COUNT; i++) {
        const struct subject *s = (struct subject *)*state + i;
        struct network_train_options options = subject_options(s);
        struct course course = course_begin(s, &options);
        size_t values = course.rows.image_floats, floats = s->people.image_floats;
        float *rows = calloc(3 * values, sizeof(*rows));
        assert_non_null(rows);
        for (size_t k = 0; k < IMAGES; k++) {
            size_t n = k % 3 + 1 <= IMAGES - k ? k % 3 + 1 : 1;
            assert_int_equal(
                network_train_freeze(course.train, s->people.images + k * floats, n, rows, NULL),
                STATUS_OK);
            assert_memory_equal(rows, course.rows.images + k * values, n * values * sizeof(*rows));
        }
        free(rows);
        course_end(&course);
    }
}

static float *embed_served(const struct subject *s) {
    struct network *network = NULL;
    struct error err;
    float *out = calloc((size_t)IMAGES * s->card.embedding_length, sizeof(*out));
    if (!out || network_open(&s->card, s->weights, &network, &err) != STATUS_OK ||
        network_embed(network, s->people.images, IMAGES, out, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    network_close(network);
    return out;
}

static void a_rows_embedding_is_that_of_the_face_wherever_the_cut_is(void **state) {
    static const char *const cuts[RECIPES_COUNT][4] = {{"all", "last_2", "last_block", "fc_norm.*"},
                                                       {"all", "blocks.5.*", "last_3", "head.*"}};
    for (size_t i = 0; i < RECIPES_COUNT; i++) {
        const struct subject *s = (struct subject *)*state + i;
        size_t numbers = (size_t)IMAGES * s->card.embedding_length;
        float *served = embed_served(s), *ours = calloc(numbers, sizeof(*ours));
        assert_non_null(ours);
        for (size_t k = 0; k < 4; k++) {
            struct network_train_options options = subject_options(s);
            options.trainable = cuts[i][k];
            struct course course = course_begin(s, &options);
            assert_int_equal(
                network_train_embed(course.train, course.rows.images, IMAGES, ours, NULL),
                STATUS_OK);
            for (size_t at = 0; at < numbers; at++)
                assert_true(fabsf(ours[at] - served[at]) <= (float)EMBEDDING_BAR);
            course_end(&course);
        }
        free(ours);
        free(served);
    }
}

/* A card's head is in the file with the network's weights, and is learned for these. */
static void the_cards_head_is_left_out(void **state) {
    const struct subject *vit = *state;
    struct subject headed = *vit;
    struct safetensors *file;
    struct error err;
    static const float head[8 * 32] = {1, 2, 3};
    assert_int_equal(safetensors_open(vit->weights, &file, &err), STATUS_OK);
    size_t count = safetensors_count(file);
    struct safetensors_tensor *tensors = calloc(count + 1, sizeof(*tensors));
    assert_non_null(tensors);
    memcpy(tensors, safetensors_all(file), count * sizeof(*tensors));
    tensors[count] = (struct safetensors_tensor){
        .name = CARD_HEAD_TENSOR, .rank = 2, .shape = {8, 32}, .data = head};
    snprintf(headed.weights, sizeof(headed.weights), "%s/headed", vit->folder.path);
    assert_int_equal(safetensors_write(headed.weights, tensors, count + 1, &err), STATUS_OK);
    headed.card.embedding.head = true;
    headed.card.embedding_length = 8;

    struct network_train_options options = subject_options(vit);
    options.trainable = "all";
    struct course course = course_begin(&headed, &options);
    struct network_train_batch batch = course_draw(&course);
    char saved[96];
    snprintf(saved, sizeof(saved), "%s/headed-after", vit->folder.path);
    course_step(&course, &batch);
    course_save(&course, saved);
    course_end(&course);
    assert_moved(vit->weights, saved, "*");
    free(tensors);
    safetensors_close(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_chosen_moves_and_nothing_else),
        cmocka_unit_test(a_softmax_moves_what_is_chosen_too),
        cmocka_unit_test(with_nothing_frozen_a_row_is_the_face),
        cmocka_unit_test(a_row_is_the_same_in_every_company),
        cmocka_unit_test(a_rows_embedding_is_that_of_the_face_wherever_the_cut_is),
        cmocka_unit_test(the_cards_head_is_left_out),
    };
    return cmocka_run_group_tests(tests, subjects_open, subjects_close);
}
