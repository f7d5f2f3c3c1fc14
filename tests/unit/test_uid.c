#include "model/uid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void an_identifier_has_its_prefix_and_the_form_of_a_uuid_of_version_7(void **state) {
    (void)state;
    char uid[UID_SIZE];
    uid_make(UID_FINE_TUNE, uid);
    assert_true(uid_valid(UID_FINE_TUNE, uid));
    assert_int_equal(uid[3 + 14], '7');
    assert_int_equal(strlen(uid), 39);
}

static void it_begins_with_the_millisecond(void **state) {
    (void)state;
    char uid[UID_SIZE];
    uint64_t before = (uint64_t)time(NULL), ms;
    uid_make("", uid);
    uint64_t after = (uint64_t)time(NULL) + 1;
    unsigned long long high, low;
    assert_int_equal(sscanf(uid, "%8llx-%4llx", &high, &low), 2);
    ms = high << 16 | low;
    assert_in_range(ms, before * 1000, after * 1000);
}

static void identifiers_sort_by_the_time_at_which_they_were_made(void **state) {
    (void)state;
    char last[UID_SIZE], next[UID_SIZE];
    uid_make(UID_DATASET, last);
    for (int i = 0; i < 1000; i++) {
        const struct timespec pause = {.tv_nsec = 1000};
        nanosleep(&pause, NULL);
        uid_make(UID_DATASET, next);
        assert_true(strcmp(last, next) < 0);
        memcpy(last, next, sizeof last);
    }
}

static void anything_else_is_not_taken_for_one(void **state) {
    (void)state;
    static const char *const others[] = {
        "",
        "ft_",
        "ev_01890a5d-ac96-774b-bcce-b302099a8057",
        "ft_01890A5D-ac96-774b-bcce-b302099a8057",
        "ft_01890a5d-ac96-474b-bcce-b302099a8057",
        "ft_01890a5d-ac96-774b-ccce-b302099a8057",
        "ft_01890a5d-ac96-774b-bcce-b302099a805",
        "ft_01890a5d-ac96-774b-bcce-b302099a80577",
        "ft_../../../etc/passwd",
    };
    assert_true(uid_valid(UID_FINE_TUNE, "ft_01890a5d-ac96-774b-bcce-b302099a8057"));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(uid_valid(UID_FINE_TUNE, others[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_identifier_has_its_prefix_and_the_form_of_a_uuid_of_version_7),
        cmocka_unit_test(it_begins_with_the_millisecond),
        cmocka_unit_test(identifiers_sort_by_the_time_at_which_they_were_made),
        cmocka_unit_test(anything_else_is_not_taken_for_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
