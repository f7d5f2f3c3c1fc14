/* Which face of a photograph is found, and what is said where there is none. */
#include "face_photos.h"

#include <math.h>
#include <pthread.h>

static struct face_shape *shape;
static struct face_detector *detector;

static int open_detector(void **state) {
    (void)state;
    shape = open_shape();
    detector = face_detector_create(shape);
    return detector ? 0 : -1;
}

static int close_detector(void **state) {
    (void)state;
    face_detector_destroy(detector);
    face_shape_close(shape);
    return 0;
}

static enum status find(const struct image *image, enum face_choice choice, struct face *face) {
    struct error err;
    return face_find(detector, image, choice, face, &err);
}

static bool contains(const struct face *face, double x, double y) {
    return x > face->x && x < face->x + face->width && y > face->y && y < face->y + face->height;
}

/* Between the eyes, read off the photographs by hand: in full-resolution pixels. */
static const struct {
    const char *name;
    double x, y, width_min, width_max;
} photos[] = {
    {"obama.jpg", 484, 235, 200, 320},    {"obama2.jpg", 303, 403, 230, 350},
    {"obama3.jpg", 790, 390, 250, 400},   {"biden.jpg", 580, 330, 280, 400},
    {"astronaut.png", 222, 112, 75, 125},
};

static void each_example_photograph_shows_its_face(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof photos / sizeof *photos; i++) {
        struct image image = decode_photo(photos[i].name, FACE_LONG_SIDE);
        double scale = (double)image.width / image.info.width;
        for (enum face_choice choice = FACE_LARGEST; choice <= FACE_CENTRE; choice++) {
            struct face face;
            if (find(&image, choice, &face))
                fail_msg("%s, choice %d: no face", photos[i].name, choice);
            if (!contains(&face, photos[i].x * scale, photos[i].y * scale))
                fail_msg("%s, choice %d: the box (%.0f, %.0f) lies elsewhere", photos[i].name,
                         choice, face.x / scale, face.y / scale);
            assert_in_range(face.width / scale, photos[i].width_min, photos[i].width_max);
        }
        image_release(&image);
    }
}

static void left_and_right_are_the_persons_own(void **state) {
    (void)state;
    struct image image = decode_photo("obama.jpg", 0);
    struct face face;
    assert_int_equal(find(&image, FACE_LARGEST, &face), STATUS_OK);
    double(*at)[2] = face.landmarks;
    assert_true(at[FACE_RIGHT_EYE_OUTER][0] < at[FACE_RIGHT_EYE_INNER][0]);
    assert_true(at[FACE_RIGHT_EYE_INNER][0] < at[FACE_NOSE_BASE][0]);
    assert_true(at[FACE_NOSE_BASE][0] < at[FACE_LEFT_EYE_INNER][0]);
    assert_true(at[FACE_LEFT_EYE_INNER][0] < at[FACE_LEFT_EYE_OUTER][0]);
    assert_true(at[FACE_NOSE_BASE][1] > at[FACE_LEFT_EYE_INNER][1] + face.height / 8);
    image_release(&image);
}

static void the_face_is_counted_by_the_full_search_alone(void **state) {
    (void)state;
    struct image image = decode_photo("obama.jpg", 0);
    struct face face;
    assert_int_equal(find(&image, FACE_LARGEST, &face), STATUS_OK);
    assert_int_equal(face.count, 0);
    assert_int_equal(find(&image, FACE_ONLY, &face), STATUS_OK);
    assert_int_equal(face.count, 1);
    image_release(&image);
}

static void assert_no_face(struct image image, const char *what) {
    for (enum face_choice choice = FACE_LARGEST; choice <= FACE_CENTRE; choice++) {
        struct face face;
        enum status status = find(&image, choice, &face);
        if (status != STATUS_NO_FACE)
            fail_msg("%s, choice %d: %s", what, choice, status_code(status));
    }
    image_release(&image);
}

static void a_blank_picture_shows_no_face(void **state) {
    (void)state;
    assert_no_face(blank_image(640, 480, 128), "blank");
    assert_no_face(blank_image(1, 1, 0), "one pixel");
    assert_no_face(blank_image(3, 60, 200), "a strip");
    assert_no_face(blank_image(4000, 200, 255), "a ribbon");
}

static void noise_shows_no_face(void **state) {
    (void)state;
    uint32_t seed = 1;
    for (uint32_t side = 50; side <= 800; side *= 2) {
        struct image image = blank_image(side, side, 0);
        for (size_t i = 0; i < (size_t)side * side * 3; i++)
            image.rgb[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
        assert_no_face(image, "noise");
    }
}

/* A sky that grows brighter downwards, hills of two sines, and rough ground. */
static void a_landscape_shows_no_face(void **state) {
    (void)state;
    struct image image = blank_image(1200, 800, 0);
    uint32_t seed = 7;
    for (uint32_t y = 0; y < image.height; y++)
        for (uint32_t x = 0; x < image.width; x++) {
            uint8_t *pixel = image.rgb + ((size_t)y * image.width + x) * 3;
            double hills = 430 + 60 * sin(x / 130.0) + 25 * sin(x / 37.0 + 1);
            seed = seed * 1664525u + 1013904223u;
            if (y < hills) {
                pixel[0] = (uint8_t)(90 + y / 6), pixel[1] = (uint8_t)(140 + y / 8), pixel[2] = 230;
            } else {
                uint8_t rough = (uint8_t)(seed >> 27);
                pixel[0] = (uint8_t)(60 + rough), pixel[1] = (uint8_t)(90 + rough), pixel[2] = 40;
            }
        }
    assert_no_face(image, "landscape");
}

/* Two portraits beside each other, the right one larger. */
static struct image two_people(void) {
    struct image obama = decode_photo("obama.jpg", 0), two = blank_image(900, 500, 110);
    paste(&two, 40, 100, 280, 350, &obama, 0, 0, 910, 1137);
    paste(&two, 480, 0, 400, 500, &obama, 0, 0, 910, 1137);
    image_release(&obama);
    return two;
}

static void two_faces_are_too_many_when_only_one_is_asked_for(void **state) {
    (void)state;
    struct image two = two_people();
    struct face face;
    assert_int_equal(find(&two, FACE_ONLY, &face), STATUS_MANY_FACES);
    image_release(&two);
}

static void of_two_faces_the_larger_is_the_largest(void **state) {
    (void)state;
    struct image two = two_people();
    struct face face;
    assert_int_equal(find(&two, FACE_LARGEST, &face), STATUS_OK);
    assert_true(face.x > 480);
    image_release(&two);
}

static void of_two_faces_the_one_nearest_the_centre_is_the_centre_one(void **state) {
    (void)state;
    struct image obama = decode_photo("obama.jpg", 0), two = blank_image(900, 500, 110);
    paste(&two, 250, 60, 320, 400, &obama, 0, 0, 910, 1137);
    paste(&two, 580, 0, 320, 500, &obama, 0, 0, 728, 1137);
    struct face face;
    assert_int_equal(find(&two, FACE_CENTRE, &face), STATUS_OK);
    assert_true(face.x < 480);
    image_release(&obama);
    image_release(&two);
}

/* obama.jpg's face (256 pixels at 361, 134) and what is around it, scaled to a face of `side`
 * pixels in a grey frame. */
static struct image small_face(uint32_t width, uint32_t height, uint32_t side) {
    struct image obama = decode_photo("obama.jpg", 0), small = blank_image(width, height, 120);
    uint32_t pasted = side * 512 / 256;
    paste(&small, (width - pasted) / 2, (height - pasted) / 3, pasted, pasted, &obama, 233, 6, 512,
          512);
    image_release(&obama);
    return small;
}

static void a_face_of_a_twelfth_of_the_long_side_is_found(void **state) {
    (void)state;
    const uint32_t sides[] = {600, 960, 1500, 1900};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        struct image small = small_face(sides[i], sides[i] * 3 / 4, sides[i] / 12);
        struct face face;
        enum face_choice choices[] = {FACE_LARGEST, FACE_ONLY};
        for (int c = 0; c < 2; c++) {
            enum status status = find(&small, choices[c], &face);
            if (status)
                fail_msg("%u pixels, choice %d: %s", sides[i], choices[c], status_code(status));
            assert_true(fabs(face.width - sides[i] / 12.0) < sides[i] / 40.0);
        }
        image_release(&small);
    }
}

static void a_small_face_of_a_small_photograph_is_found(void **state) {
    (void)state;
    struct image small = small_face(240, 200, 50);
    struct face face;
    assert_int_equal(find(&small, FACE_LARGEST, &face), STATUS_OK);
    image_release(&small);
}

static void a_face_too_small_to_tell_is_said_to_be_so(void **state) {
    (void)state;
    struct image small = small_face(120, 120, 26);
    struct face face;
    assert_int_equal(find(&small, FACE_LARGEST, &face), STATUS_FACE_TOO_SMALL);
    assert_int_equal(find(&small, FACE_ONLY, &face), STATUS_FACE_TOO_SMALL);
    image_release(&small);
}

static void the_size_of_a_face_is_that_of_the_full_photograph(void **state) {
    (void)state;
    struct image small = small_face(120, 120, 26);
    small.info.width = small.info.height = 960; /* as if decoded at 1/8 */
    struct face face;
    assert_int_equal(find(&small, FACE_LARGEST, &face), STATUS_OK);
    image_release(&small);
}

static void a_crop_that_cuts_into_the_face_is_found(void **state) {
    (void)state;
    /* 0.64 of the face's box: dlib finds it at no size. */
    struct image obama2 = decode_photo("obama2.jpg", 0), crop = blank_image(172, 172, 0);
    paste(&crop, 0, 0, 172, 172, &obama2, 219, 339, 172, 172);
    struct face face;
    assert_int_equal(find(&crop, FACE_CENTRE, &face), STATUS_NO_FACE);
    assert_int_equal(find(&crop, FACE_LARGEST, &face), STATUS_OK);
    assert_true(face.x + face.width / 2 > 60 && face.x + face.width / 2 < 112);
    image_release(&obama2);
    image_release(&crop);
}

static void the_centre_box_has_landmarks_inside_the_frame(void **state) {
    (void)state;
    struct image image = blank_image(250, 250, 90);
    struct face face;
    struct error err;
    assert_int_equal(face_centre(detector, &image, &face, &err), STATUS_OK);
    assert_true(face.score == 0 && face.count == 0);
    for (int i = 0; i < FACE_LANDMARKS; i++)
        assert_in_range(face.landmarks[i][0], 60, 190);
    uint8_t chip[150 * 150 * 3];
    assert_int_equal(face_chip(&image, &face, 150, 0.25, chip, &err), STATUS_OK);
    image_release(&image);
}

static void landmarks_on_one_point_are_refused(void **state) {
    (void)state;
    struct image image = blank_image(50, 50, 90);
    struct face face = {.width = 40, .height = 40};
    uint8_t chip[150 * 150 * 3];
    struct error err;
    assert_int_equal(face_chip(&image, &face, 150, 0.25, chip, &err), STATUS_NO_FACE);
    image_release(&image);
}

struct work {
    const struct image *image;
    struct face face;
    enum status status;
};

static void *find_often(void *argument) {
    struct work *work = argument;
    struct face_detector *own = face_detector_create(shape);
    struct error err;
    for (int i = 0; own && i < 5; i++)
        work->status = face_find(own, work->image, FACE_LARGEST, &work->face, &err);
    face_detector_destroy(own);
    return NULL;
}

static void detectors_of_two_threads_share_the_models(void **state) {
    (void)state;
    struct image images[2] = {decode_photo("obama.jpg", 0), decode_photo("astronaut.png", 0)};
    struct work work[2] = {{.image = &images[0]}, {.image = &images[1]}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, find_often, &work[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) {
        struct face face;
        assert_int_equal(work[i].status, STATUS_OK);
        assert_int_equal(find(&images[i], FACE_LARGEST, &face), STATUS_OK);
        assert_memory_equal(&face.landmarks, &work[i].face.landmarks, sizeof face.landmarks);
        image_release(&images[i]);
    }
}

static void a_missing_or_foreign_landmark_file_is_refused_by_name(void **state) {
    (void)state;
    struct face_shape *opened = NULL;
    struct error err;
    const char *paths[] = {"/nonexistent/landmarks.dat",
                           FACEPAIR_SOURCE_DIR "/examples/photos/obama.jpg", FACEPAIR_SOURCE_DIR};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_equal(face_shape_open(paths[i], &opened, &err), STATUS_INTERNAL);
        assert_non_null(strstr(err.detail, paths[i]));
        assert_null(opened);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_example_photograph_shows_its_face),
        cmocka_unit_test(left_and_right_are_the_persons_own),
        cmocka_unit_test(the_face_is_counted_by_the_full_search_alone),
        cmocka_unit_test(a_blank_picture_shows_no_face),
        cmocka_unit_test(noise_shows_no_face),
        cmocka_unit_test(a_landscape_shows_no_face),
        cmocka_unit_test(two_faces_are_too_many_when_only_one_is_asked_for),
        cmocka_unit_test(of_two_faces_the_larger_is_the_largest),
        cmocka_unit_test(of_two_faces_the_one_nearest_the_centre_is_the_centre_one),
        cmocka_unit_test(a_face_of_a_twelfth_of_the_long_side_is_found),
        cmocka_unit_test(a_small_face_of_a_small_photograph_is_found),
        cmocka_unit_test(a_face_too_small_to_tell_is_said_to_be_so),
        cmocka_unit_test(the_size_of_a_face_is_that_of_the_full_photograph),
        cmocka_unit_test(a_crop_that_cuts_into_the_face_is_found),
        cmocka_unit_test(the_centre_box_has_landmarks_inside_the_frame),
        cmocka_unit_test(landmarks_on_one_point_are_refused),
        cmocka_unit_test(detectors_of_two_threads_share_the_models),
        cmocka_unit_test(a_missing_or_foreign_landmark_file_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, open_detector, close_detector);
}
