/* A photograph's bytes -> the network's input. */
#include "face_photos.h"

#include "model/prepare.h"

#include <math.h>

static struct prepare_shared *shared;
static struct preparer *preparer;
static const struct card_input chip_input = {.kind = CARD_INPUT_CHIP,
                                             .side = 150,
                                             .padding = 0.25,
                                             .mean = {122.782f, 117.001f, 104.298f},
                                             .std = {256, 128, 64}};
enum { INPUT_FLOATS = 3 * 150 * 150 };

static int open_preparer(void **state) {
    (void)state;
    struct error err;
    if (prepare_shared_open(test_data_directory(), &shared, &err))
        fail_msg("%s (run `make models`, or set FACEPAIR_DATA)", err.detail);
    preparer = preparer_create(shared);
    return preparer ? 0 : -1;
}

static int close_preparer(void **state) {
    (void)state;
    preparer_destroy(preparer);
    prepare_shared_close(shared);
    return 0;
}

static enum status prepare(const uint8_t *bytes, size_t size, enum prepare_no_face no_face,
                           float *out, struct prepared *prepared) {
    struct image_limits limits = IMAGE_LIMITS_DEFAULT;
    struct error err;
    return prepare_face(preparer, &chip_input, &limits, bytes, size, FACE_LARGEST, no_face, out,
                        prepared, &err);
}

static void the_input_is_the_chip_less_the_mean_over_the_deviation_by_channel(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = read_photo("obama.jpg", &size);
    float *out = malloc(INPUT_FLOATS * sizeof *out);
    struct prepared prepared;
    assert_int_equal(prepare(bytes, size, PREPARE_REJECT, out, &prepared), STATUS_OK);

    struct image image = decode_photo("obama.jpg", 0);
    struct face face = prepared.face;
    uint8_t chip[150 * 150 * 3];
    struct error err;
    assert_int_equal(face_chip(&image, &face, 150, 0.25, chip, &err), STATUS_OK);
    for (size_t channel = 0; channel < 3; channel++)
        for (size_t i = 0; i < 150 * 150; i++) {
            double expected = ((double)chip[3 * i + channel] - (double)chip_input.mean[channel]) /
                              (double)chip_input.std[channel];
            assert_true(fabs((double)out[channel * 150 * 150 + i] - expected) < 1e-5);
        }
    image_release(&image);
    free(out);
    free(bytes);
}

static void coordinates_are_of_the_full_photograph_when_it_was_decoded_smaller(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = read_photo("obama3.jpg", &size);
    struct image decoded = decode_photo("obama3.jpg", FACE_LONG_SIDE);
    assert_int_equal(decoded.width, 717); /* the half of 1,434 */
    image_release(&decoded);
    float *out = malloc(INPUT_FLOATS * sizeof *out);
    struct prepared prepared;
    assert_int_equal(prepare(bytes, size, PREPARE_REJECT, out, &prepared), STATUS_OK);
    assert_true(prepared.info.width == 1434 && prepared.info.height == 2333);
    assert_int_equal(prepared.info.format, IMAGE_JPEG);
    /* Between the eyes, read off the photograph by hand. */
    const double(*at)[2] = (const double(*)[2])prepared.face.landmarks;
    double x = (at[FACE_LEFT_EYE_INNER][0] + at[FACE_RIGHT_EYE_INNER][0]) / 2;
    double y = (at[FACE_LEFT_EYE_INNER][1] + at[FACE_RIGHT_EYE_INNER][1]) / 2;
    assert_true(hypot(x - 790, y - 390) < 60);
    assert_in_range(prepared.face.width, 250, 400);
    assert_true(prepared.decode_us > 0 && prepared.detect_us > 0 && prepared.align_us > 0);
    free(out);
    free(bytes);
}

static void a_truncated_photograph_is_invalid_and_its_size_still_told(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = read_photo("obama.jpg", &size);
    float untouched = 42;
    struct prepared prepared;
    assert_int_equal(prepare(bytes, size / 2, PREPARE_REJECT, &untouched, &prepared),
                     STATUS_INVALID_IMAGE);
    assert_true(prepared.info.width == 910 && prepared.info.height == 1137);
    assert_true(untouched == 42);
    free(bytes);
}

static void what_is_no_photograph_has_no_size(void **state) {
    (void)state;
    const char text[] = "This is a text file called .jpg.";
    float untouched = 42;
    struct prepared prepared;
    assert_int_equal(
        prepare((const uint8_t *)text, sizeof text - 1, PREPARE_CENTRE, &untouched, &prepared),
        STATUS_INVALID_IMAGE);
    assert_true(prepared.info.width == 0 && prepared.info.height == 0);
    assert_true(untouched == 42);
}

static uint8_t *faceless(size_t *size) {
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/images/baseline-444.jpg", FACEPAIR_SOURCE_DIR);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    uint8_t *bytes = malloc(1 << 20);
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static void a_photograph_without_a_face_is_refused(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = faceless(&size);
    float untouched = 42;
    struct prepared prepared;
    assert_int_equal(prepare(bytes, size, PREPARE_REJECT, &untouched, &prepared), STATUS_NO_FACE);
    assert_true(untouched == 42);
    assert_true(prepared.info.width > 0 && prepared.face.width == 0);
    free(bytes);
}

static void a_protocol_that_must_answer_gets_the_centre(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = faceless(&size);
    float *out = malloc(INPUT_FLOATS * sizeof *out);
    struct prepared prepared;
    assert_int_equal(prepare(bytes, size, PREPARE_CENTRE, out, &prepared), STATUS_OK);
    assert_true(prepared.face.score == 0 && prepared.face.width > 0);
    free(out);
    free(bytes);
}

/* obama3.jpg is decoded at half its size for the detector; the frame must come from the whole. */
static void a_frame_is_the_whole_photograph_as_timm_transforms_it(void **state) {
    (void)state;
    enum { SIDE = 65, PIXELS = SIDE * SIDE };
    const struct card_input frame = {.kind = CARD_INPUT_FRAME,
                                     .side = SIDE,
                                     .crop_pct = 0.9,
                                     .mean = {127.5f, 127.5f, 127.5f},
                                     .std = {127.5f, 127.5f, 127.5f}};
    static uint8_t timms[PIXELS * 3];
    static float out[PIXELS * 3];
    char header[16] = "";
    FILE *file = fopen(FACEPAIR_SOURCE_DIR "/tests/parity/vit/transform/obama3_65_900.ppm", "rb");
    assert_non_null(file);
    assert_int_equal(fread(header, 1, 13, file), 13);
    assert_string_equal(header, "P6\n65 65\n255\n");
    assert_int_equal(fread(timms, 3, PIXELS, file), PIXELS);
    fclose(file);

    size_t size;
    uint8_t *bytes = read_photo("obama3.jpg", &size);
    struct image_limits limits = IMAGE_LIMITS_DEFAULT;
    struct prepared prepared;
    assert_int_equal(prepare_face(preparer, &frame, &limits, bytes, size, FACE_LARGEST,
                                  PREPARE_REJECT, out, &prepared, NULL),
                     STATUS_OK);
    assert_true(prepared.face.score > 0 && prepared.face.width > 250);
    for (size_t channel = 0; channel < 3; channel++)
        for (size_t i = 0; i < PIXELS; i++)
            assert_true(fabs((double)out[channel * PIXELS + i] * 127.5 + 127.5 -
                             timms[3 * i + channel]) < 2.01);
    free(bytes);
    bytes = faceless(&size);
    assert_int_equal(prepare_face(preparer, &frame, &limits, bytes, size, FACE_LARGEST,
                                  PREPARE_REJECT, out, &prepared, NULL),
                     STATUS_NO_FACE);
    free(bytes);
}

static void a_data_directory_without_the_landmarks_is_refused_by_name(void **state) {
    (void)state;
    struct prepare_shared *opened = NULL;
    struct error err;
    assert_int_equal(prepare_shared_open("/nonexistent", &opened, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "/nonexistent/face/shape_predictor_5_face_landmarks.dat"));
    assert_null(opened);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_input_is_the_chip_less_the_mean_over_the_deviation_by_channel),
        cmocka_unit_test(coordinates_are_of_the_full_photograph_when_it_was_decoded_smaller),
        cmocka_unit_test(a_truncated_photograph_is_invalid_and_its_size_still_told),
        cmocka_unit_test(what_is_no_photograph_has_no_size),
        cmocka_unit_test(a_photograph_without_a_face_is_refused),
        cmocka_unit_test(a_protocol_that_must_answer_gets_the_centre),
        cmocka_unit_test(a_frame_is_the_whole_photograph_as_timm_transforms_it),
        cmocka_unit_test(a_data_directory_without_the_landmarks_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, open_preparer, close_preparer);
}
