/* Views, rows and plans: what a training is fed with. */
#include "tests/unit/folder.h"

#include "model/finetune/augment.h"
#include "model/finetune/plan.h"

#include <math.h>

enum { SIDE = 16, PLANE = SIDE * SIDE };
static const struct card_input INPUT = {
    .kind = CARD_INPUT_CHIP, .side = SIDE, .mean = {100, 110, 120}, .std = {50, 60, 70}};

/* ---- views ---- */

static void draw_face(float *face) {
    for (int i = 0; i < 3 * PLANE; i++)
        face[i] = (float)sin(i * 0.37);
}

static void the_first_view_is_the_photograph(void **state) {
    (void)state;
    const struct finetune_augment all = {true, 0.3, 20, 0.2, 0.1, 4};
    float face[3 * PLANE], view[3 * PLANE];
    draw_face(face);
    augment_view(&all, &INPUT, 1, 5, 0, face, view);
    assert_memory_equal(face, view, sizeof(face));
}

static void a_view_depends_on_seed_image_and_number_alone(void **state) {
    (void)state;
    const struct finetune_augment all = {true, 0.3, 20, 0.2, 0.1, 4};
    float face[3 * PLANE], one[3 * PLANE], other[3 * PLANE];
    draw_face(face);
    augment_view(&all, &INPUT, 1, 5, 2, face, one);
    augment_view(&all, &INPUT, 1, 5, 2, face, other);
    assert_memory_equal(one, other, sizeof(one));
    augment_view(&all, &INPUT, 1, 5, 3, face, other);
    assert_memory_not_equal(one, other, sizeof(one));
    augment_view(&all, &INPUT, 1, 6, 2, face, other);
    assert_memory_not_equal(one, other, sizeof(one));
    augment_view(&all, &INPUT, 2, 5, 2, face, other);
    assert_memory_not_equal(one, other, sizeof(one));
}

static void half_of_the_views_are_mirrored_where_nothing_else_is_asked_for(void **state) {
    (void)state;
    const struct finetune_augment flip = {.flip = true, .views = 32};
    float face[3 * PLANE], view[3 * PLANE];
    int mirrored = 0;
    draw_face(face);
    for (uint32_t number = 1; number <= 400; number++) {
        augment_view(&flip, &INPUT, 1, 0, number, face, view);
        bool same = true, turned = true;
        for (int i = 0; i < 3 * PLANE; i++) {
            int x = i % SIDE, back = i - x + SIDE - 1 - x;
            same &= fabsf(view[i] - face[i]) < 1e-5f;
            turned &= fabsf(view[i] - face[back]) < 1e-5f;
        }
        assert_true(same != turned);
        mirrored += turned;
    }
    assert_in_range(mirrored, 160, 240);
}

static void colours_stay_within_what_a_pixel_can_be(void **state) {
    (void)state;
    const struct finetune_augment colour = {.colour = 1, .views = 4};
    float face[3 * PLANE], view[3 * PLANE];
    for (int i = 0; i < 3 * PLANE; i++)
        face[i] = ((float)(i * 7 % 256) - INPUT.mean[i / PLANE]) / INPUT.std[i / PLANE];
    for (uint32_t number = 1; number < 20; number++) {
        augment_view(&colour, &INPUT, 1, 0, number, face, view);
        for (int i = 0; i < 3 * PLANE; i++) {
            float pixel = view[i] * INPUT.std[i / PLANE] + INPUT.mean[i / PLANE];
            assert_true(pixel > -0.01f && pixel < 255.01f);
        }
    }
}

static void a_picture_of_one_colour_stays_so_however_it_is_turned(void **state) {
    (void)state;
    const struct finetune_augment move = {
        .rotation_degrees = 45, .scale = 0.5, .shift = 0.5, .views = 4};
    float face[3 * PLANE], view[3 * PLANE];
    for (int i = 0; i < 3 * PLANE; i++)
        face[i] = (float)(i / PLANE);
    augment_view(&move, &INPUT, 1, 0, 1, face, view);
    for (int i = 0; i < 3 * PLANE; i++)
        assert_true(fabsf(view[i] - face[i]) < 1e-6f);
}

static void a_shifted_view_is_the_photograph_elsewhere(void **state) {
    (void)state;
    const struct finetune_augment shift = {.shift = 0.2, .views = 4};
    const int middle = SIDE / 2 * SIDE + SIDE / 2;
    float place[3 * PLANE] = {0}, view[3 * PLANE]; /* x, y and nothing */
    float farthest[2] = {0, 0};
    for (int i = 0; i < PLANE; i++) {
        place[i] = (float)(i % SIDE);
        place[PLANE + i] = (float)(i / SIDE);
    }
    for (uint32_t number = 1; number <= 100; number++) {
        augment_view(&shift, &INPUT, 1, 0, number, place, view);
        for (int axis = 0; axis < 2; axis++) {
            const float *moved = view + axis * PLANE + middle,
                        *from = place + axis * PLANE + middle;
            farthest[axis] = fmaxf(farthest[axis], fabsf(moved[0] - from[0]));
            assert_true(fabsf(moved[1] - from[1] - (moved[0] - from[0])) < 1e-4f);
        }
    }
    for (int axis = 0; axis < 2; axis++)
        assert_true(farthest[axis] > 0.15f * SIDE && farthest[axis] <= 0.2f * SIDE);
}

/* ---- rows ---- */

static void rows_stand_in_memory_or_in_a_file_without_a_name(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct rows_limits limits = {
        .memory_bytes = 4000, .disk_bytes = 8000, .directory = folder.path};
    struct rows rows;
    struct error err;
    assert_int_equal(rows_create(10, 100, &limits, &rows, &err), STATUS_OK);
    assert_false(rows.on_disk);
    assert_true(rows_at(&rows, 9)[99] == 0);
    rows_release(&rows);
    assert_int_equal(rows_create(20, 100, &limits, &rows, &err), STATUS_OK);
    assert_true(rows.on_disk);
    rows_at(&rows, 19)[99] = 7;
    assert_true(rows.data[1999] == 7);
    assert_int_equal(rmdir(folder.path), 0); /* nothing stands in it */
    rows_release(&rows);
}

static void more_rows_than_both_limits_are_refused(void **state) {
    (void)state;
    const struct rows_limits limits = {.memory_bytes = 1, .disk_bytes = 2, .directory = "/tmp"};
    struct rows rows;
    struct error err;
    assert_int_equal(rows_create(20, 100, &limits, &rows, &err), STATUS_STORAGE_FULL);
    assert_int_equal(rows_create(SIZE_MAX / 2, 100, &limits, &rows, &err), STATUS_STORAGE_FULL);
}

/* ---- plans ---- */

/* Six people with 1, 2, … 6 photographs, two views each; person p's photographs are numbered on. */
enum { PEOPLE = 6, ALL_IMAGES = 21, PER_IMAGE = 2 };
struct fed {
    uint32_t first[PEOPLE + 1], images[ALL_IMAGES], rows[ALL_IMAGES], person_of[ALL_IMAGES];
    struct plan_people people;
    struct views views;
};

static void feed(struct fed *fed) {
    uint32_t next = 0;
    for (uint32_t person = 0; person < PEOPLE; person++) {
        fed->first[person] = next;
        for (uint32_t i = 0; i <= person; i++, next++) {
            fed->images[next] = next;
            fed->rows[next] = PER_IMAGE * next;
            fed->person_of[next] = person;
        }
    }
    fed->first[PEOPLE] = next;
    fed->people = (struct plan_people){PEOPLE, fed->first, fed->images};
    fed->views = (struct views){.first = fed->rows, .per_image = PER_IMAGE};
}

static uint32_t person_of_row(const struct fed *fed, uint32_t row) {
    return fed->person_of[row / PER_IMAGE];
}

static void as_many_pairs_of_two_people_as_of_one(void **state) {
    (void)state;
    const struct parts_pairs sampled = {.list = NULL};
    struct random_generator generator = random_seeded(1);
    struct fed fed;
    struct plan plan;
    uint32_t genuine = 0;
    feed(&fed);
    assert_int_equal(
        plan_pairs(&fed.people, &sampled, &fed.views, PER_IMAGE, 8, &generator, &plan, NULL),
        STATUS_OK);
    for (uint32_t i = 0; i < plan.count; i++) {
        genuine += plan.same[i];
        assert_true(plan.same[i] ==
                    (person_of_row(&fed, plan.a[i]) == person_of_row(&fed, plan.b[i])));
        if (plan.same[i]) /* two photographs, not two views of one */
            assert_int_not_equal(plan.a[i] / PER_IMAGE, plan.b[i] / PER_IMAGE);
    }
    assert_int_equal(genuine, 0 + 1 + 3 + 6 + 10 + PLAN_GENUINE_MAX);
    assert_int_equal(plan.count, 2 * genuine);
    assert_int_equal(plan.batches, (plan.count + 7) / 8);
    assert_int_equal(plan.batch_end[plan.batches - 1], plan.count);
    plan_release(&plan);
}

static void the_same_state_draws_the_same_plan_and_the_next_another(void **state) {
    (void)state;
    const struct parts_pairs sampled = {.list = NULL};
    struct random_generator generator = random_seeded(1), copy = generator;
    struct fed fed;
    struct plan one, again, next;
    feed(&fed);
    plan_pairs(&fed.people, &sampled, &fed.views, PER_IMAGE, 8, &generator, &one, NULL);
    plan_pairs(&fed.people, &sampled, &fed.views, PER_IMAGE, 8, &copy, &again, NULL);
    plan_pairs(&fed.people, &sampled, &fed.views, PER_IMAGE, 8, &generator, &next, NULL);
    assert_memory_equal(one.a, again.a, one.count * sizeof(*one.a));
    assert_memory_equal(one.b, again.b, one.count * sizeof(*one.b));
    assert_memory_not_equal(one.a, next.a, one.count * sizeof(*one.a));
    plan_release(&one);
    plan_release(&again);
    plan_release(&next);
}

static void pairs_of_a_file_are_taken_but_those_without_a_face(void **state) {
    (void)state;
    struct dataset_pair list[] = {{1, 2, true}, {0, 1, false}, {3, 4, true}};
    const struct parts_pairs listed = {list, 3};
    struct random_generator generator = random_seeded(1);
    struct fed fed;
    struct plan plan;
    feed(&fed);
    fed.rows[4] = VIEWS_NONE;
    assert_int_equal(
        plan_pairs(&fed.people, &listed, &fed.views, PER_IMAGE, 8, &generator, &plan, NULL),
        STATUS_OK);
    assert_int_equal(plan.count, 2);
    assert_int_equal(plan.same[0] + plan.same[1], 1);
    plan_release(&plan);
}

static void a_batch_of_people_holds_whole_people_of_up_to_four_photographs(void **state) {
    (void)state;
    struct random_generator generator = random_seeded(1);
    struct fed fed;
    struct plan plan;
    uint32_t photographs[PEOPLE] = {0}, start = 0;
    feed(&fed);
    assert_int_equal(plan_identities(&fed.people, &fed.views, 8, &generator, &plan, NULL),
                     STATUS_OK);
    for (uint32_t batch = 0; batch < plan.batches; batch++) {
        uint32_t end = plan.batch_end[batch], people = 1;
        assert_in_range(end - start, 2, 8);
        for (uint32_t i = start; i < end; i++) {
            assert_int_equal(plan.identity[i], person_of_row(&fed, plan.a[i]));
            people += i > start && plan.identity[i] != plan.identity[i - 1];
            photographs[plan.identity[i]]++;
            for (uint32_t j = start; j < i; j++) {
                assert_int_not_equal(plan.a[i], plan.a[j]);
                assert_true(plan.identity[i] == 0 ||
                            plan.a[i] / PER_IMAGE != plan.a[j] / PER_IMAGE);
            }
        }
        assert_true(people >= 2);
        start = end;
    }
    /* The only photograph of a person is there twice, by two of its views. */
    static const uint32_t EXPECTED[PEOPLE] = {2, 2, 3, 4, 4, 4};
    for (uint32_t person = 0; person < PEOPLE; person++)
        assert_true(photographs[person] == 0 || photographs[person] == EXPECTED[person]);
    plan_release(&plan);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_view_is_the_photograph),
        cmocka_unit_test(a_view_depends_on_seed_image_and_number_alone),
        cmocka_unit_test(half_of_the_views_are_mirrored_where_nothing_else_is_asked_for),
        cmocka_unit_test(colours_stay_within_what_a_pixel_can_be),
        cmocka_unit_test(a_picture_of_one_colour_stays_so_however_it_is_turned),
        cmocka_unit_test(a_shifted_view_is_the_photograph_elsewhere),
        cmocka_unit_test(rows_stand_in_memory_or_in_a_file_without_a_name),
        cmocka_unit_test(more_rows_than_both_limits_are_refused),
        cmocka_unit_test(as_many_pairs_of_two_people_as_of_one),
        cmocka_unit_test(the_same_state_draws_the_same_plan_and_the_next_another),
        cmocka_unit_test(pairs_of_a_file_are_taken_but_those_without_a_face),
        cmocka_unit_test(a_batch_of_people_holds_whole_people_of_up_to_four_photographs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
