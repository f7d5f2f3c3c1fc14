#include "server/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void each_status_has_a_code_a_title_and_an_http_status(void **state) {
    (void)state;
    for (int s = 0; s < STATUS_COUNT; s++) {
        assert_true(strlen(status_code(s)) > 0);
        assert_true(strlen(status_title(s)) > 0);
        assert_in_range(status_http(s), 200, 599);
    }
}

static void no_two_statuses_share_a_code(void **state) {
    (void)state;
    for (int a = 0; a < STATUS_COUNT; a++)
        for (int b = a + 1; b < STATUS_COUNT; b++)
            assert_string_not_equal(status_code(a), status_code(b));
}

static void an_error_sentence_longer_than_its_room_is_cut_and_terminated(void **state) {
    (void)state;
    struct error err;
    assert_int_equal(error_set(&err, STATUS_INTERNAL, "%0500d", 1), STATUS_INTERNAL);
    assert_int_equal(strlen(err.detail), sizeof err.detail - 1);
}

static void an_error_may_be_set_without_a_place_for_its_sentence(void **state) {
    (void)state;
    assert_int_equal(error_set(NULL, STATUS_NO_FACE, "unused"), STATUS_NO_FACE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_status_has_a_code_a_title_and_an_http_status),
        cmocka_unit_test(no_two_statuses_share_a_code),
        cmocka_unit_test(an_error_sentence_longer_than_its_room_is_cut_and_terminated),
        cmocka_unit_test(an_error_may_be_set_without_a_place_for_its_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
