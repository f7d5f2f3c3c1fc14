/* Pixels to the network's input: values, order and layout. */
#include "model/network/normalise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const float MEAN[3] = {122.782f, 117.001f, 104.298f}, STD[3] = {256, 128, 64};

static void every_value_is_its_own_quotient(void **state) {
    (void)state;
    uint8_t rgb[16 * 16 * 3];
    float out[3 * 16 * 16];
    for (int i = 0; i < 256; i++)
        for (int c = 0; c < 3; c++)
            rgb[3 * i + c] = (uint8_t)i;
    normalise_chips(rgb, 1, 16, MEAN, STD, out);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++)
            assert_true(out[c * 256 + i] == ((float)i - MEAN[c]) / STD[c]);
}

static void pixels_become_planes_face_by_face(void **state) {
    (void)state;
    const float none[3] = {0, 0, 0}, one[3] = {1, 1, 1};
    const uint8_t rgb[2 * 4 * 3] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                    21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32};
    const float wanted[24] = {1,  4,  7,  10, 2,  5,  8,  11, 3,  6,  9,  12,
                              21, 24, 27, 30, 22, 25, 28, 31, 23, 26, 29, 32};
    float out[24];
    normalise_chips(rgb, 2, 2, none, one, out);
    assert_memory_equal(out, wanted, sizeof(wanted));
}

static void no_faces_write_nothing(void **state) {
    (void)state;
    float out[1] = {5};
    normalise_chips(NULL, 0, 150, MEAN, STD, out);
    assert_true(out[0] == 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_value_is_its_own_quotient),
                                       cmocka_unit_test(pixels_become_planes_face_by_face),
                                       cmocka_unit_test(no_faces_write_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
