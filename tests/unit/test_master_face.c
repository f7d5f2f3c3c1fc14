/* Which share of people one embedding matches, and the images that are tried. */
#include "model/master_face.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 9, VALUES = 3 * SIDE * SIDE };

/* Two people on a line: at 0, 1, 2 and at 10. */
static uint32_t first[] = {0, 3, 4};
static float places[] = {0, 1, 2, 10};
static const struct gallery GALLERY = {
    .people = 2, .length = 1, .first = first, .embeddings = places};

static void everyone_weighs_the_same(void **state) {
    (void)state;
    const float at[] = {1, 10, 5};
    assert_true(master_face_rate(&GALLERY, &at[0], 1.5) == 0.5);
    assert_true(master_face_rate(&GALLERY, &at[0], 1) == (1 / 3.0) / 2); /* not at the threshold */
    assert_true(master_face_rate(&GALLERY, &at[1], 1) == 0.5);
    assert_true(master_face_rate(&GALLERY, &at[2], 6) == 1);
}

static void the_mean_embedding_is_the_mean_of_people(void **state) {
    (void)state;
    float typical[] = {5.5f};
    struct card card = {.embedding_length = 1,
                        .thresholds_count = 1,
                        .thresholds = {{.fmr = 0.001, .threshold = 5}},
                        .typical = {.mean = typical, .distance_min = 0.1}};
    struct master_faces faces;
    assert_int_equal(master_faces_begin(&GALLERY, &card, &faces, NULL), STATUS_OK);
    assert_true(faces.threshold == 5 && faces.checked && faces.mean_refused); /* (1 + 10) / 2 */
    assert_true(fabs(faces.mean_rate - (2 / 3.0 + 1) / 2) < 1e-12);
    card.typical.mean = NULL;
    assert_int_equal(master_faces_begin(&GALLERY, &card, &faces, NULL), STATUS_OK);
    assert_false(faces.checked || faces.mean_refused);
    card.thresholds_count = 0;
    assert_int_equal(master_faces_begin(&GALLERY, &card, &faces, NULL), STATUS_OK);
    assert_true(faces.threshold == 0);
}

static void several_of_a_kind_are_told_by_mean_and_best(void **state) {
    (void)state;
    float typical[] = {10};
    const struct card card = {.embedding_length = 1,
                              .typical = {.mean = typical, .distance_min = 0.1}};
    struct master_face face = {.parameter = 2};
    const float tried[] = {1, 10, 20};
    for (int i = 0; i < 3; i++)
        master_face_add(&face, &GALLERY, &card, 0.5, &tried[i]);
    assert_int_equal(face.tried, 3);
    assert_int_equal(face.refused, 1);
    assert_true(fabs(face.rate - (1 / 6.0 + 0.5 + 0) / 3) < 1e-12);
    assert_true(face.rate_max == 0.5);
}

static void an_average_is_of_those_chosen(void **state) {
    (void)state;
    static float inputs[3 * VALUES], out[VALUES];
    for (int i = 0; i < 3 * VALUES; i++)
        inputs[i] = (float)i;
    const uint32_t chosen[] = {2, 0};
    master_face_average(inputs, chosen, 2, SIDE, out);
    for (int i = 0; i < VALUES; i++)
        assert_true(out[i] == (float)(i + VALUES));
}

static void a_blur_spreads_a_point_as_a_bell_and_stays_in_its_plane(void **state) {
    (void)state;
    static float input[VALUES], scratch[VALUES], out[VALUES];
    const int middle = SIDE * SIDE + SIDE / 2 * SIDE + SIDE / 2; /* of the second plane */
    input[middle] = 1;
    master_face_blur(input, SIDE, 1, scratch, out);
    double sum = 0;
    for (int i = 0; i < VALUES; i++) {
        sum += (double)out[i];
        if (i / (SIDE * SIDE) != 1)
            assert_true(out[i] == 0);
    }
    assert_true(fabs(sum - 1) < 1e-6);
    for (int x = 1; x <= 3; x++) {
        double wanted = (double)out[middle] * exp(-x * x / 2.0);
        assert_true(fabs((double)out[middle + x] - wanted) < 1e-6);
        assert_true(fabs((double)out[middle - x * SIDE] - wanted) < 1e-6);
    }
    assert_true(out[middle + 4] == 0); /* cut off at 3 sigma */
}

static void a_blur_leaves_what_is_even_up_to_the_edge(void **state) {
    (void)state;
    static float input[VALUES], scratch[VALUES], out[VALUES];
    for (int i = 0; i < VALUES; i++)
        input[i] = (float)(i / (SIDE * SIDE)) + 1;
    master_face_blur(input, SIDE, 20, scratch, out); /* reaches far beyond it */
    for (int i = 0; i < VALUES; i++)
        assert_true(fabsf(out[i] - input[i]) < 1e-5f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everyone_weighs_the_same),
        cmocka_unit_test(the_mean_embedding_is_the_mean_of_people),
        cmocka_unit_test(several_of_a_kind_are_told_by_mean_and_best),
        cmocka_unit_test(an_average_is_of_those_chosen),
        cmocka_unit_test(a_blur_spreads_a_point_as_a_bell_and_stays_in_its_plane),
        cmocka_unit_test(a_blur_leaves_what_is_even_up_to_the_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
