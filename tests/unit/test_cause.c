/* What of an error about a file may be told to a client. */
#include "model/cause.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define GENERAL "One of its files cannot be used; the log has the cause."

static const char *told(const char *detail, const char *directory) {
    static struct error err;
    cause_without_path(detail, directory, &err);
    return err.detail;
}

static void the_file_is_named_without_its_directory(void **state) {
    (void)state;
    assert_string_equal(
        told("/srv/models/net/2/model.json: input: is missing", "/srv/models/net/2"),
        "model.json: input: is missing");
    assert_string_equal(told("data/models/net/2/w: No such file", "data/models/net/2"),
                        "w: No such file");
}

static void an_error_that_was_passed_on_with_the_name_loses_both(void **state) {
    (void)state;
    assert_string_equal(told("/srv/n/2/w: /srv/n/2/w: too short", "/srv/n/2"), "w: too short");
}

static void a_cause_without_a_file_stays(void **state) {
    (void)state;
    assert_string_equal(told("net@2 takes 90 MiB", "/srv/models/net/2"), "net@2 takes 90 MiB");
    assert_string_equal(told("/srv/n/2/model.json: calls itself net/3", "/srv/n/2"),
                        "model.json: calls itself net/3");
}

/* Errors cut long paths, at whatever length. */
static void a_cut_path_is_no_path_told(void **state) {
    (void)state;
    char directory[300] = "/", detail[400];
    memset(directory + 1, 'd', 250);
    directory[251] = '\0';
    for (int length = 90; length <= 251; length++) {
        snprintf(detail, sizeof(detail), "%.*s: the cause", length, directory);
        assert_string_equal(told(detail, directory), "the cause");
    }
    snprintf(detail, sizeof(detail), "%s/weights.safetensors: the cause", directory);
    assert_string_equal(told(detail, directory), "weights.safetensors: the cause");
}

static void any_other_path_makes_it_general(void **state) {
    (void)state;
    assert_string_equal(told("/elsewhere/x: bad", "/srv/n/2"), GENERAL);
    assert_string_equal(told("/srv/n/2/w: cannot open \"/srv/n/2/w\"", "/srv/n/2"), GENERAL);
    assert_string_equal(told("/srv/n/2/w: see /etc", "/srv/n/2"), GENERAL);
}

static void a_text_that_speaks_of_a_full_disk_is_storage_full(void **state) {
    (void)state;
    const struct error full = {"net/w: No space left on device"}, other = {"net/w: Is a directory"};
    assert_int_equal(cause_full_disk(STATUS_INTERNAL, &full), STATUS_STORAGE_FULL);
    assert_int_equal(cause_full_disk(STATUS_INTERNAL, &other), STATUS_INTERNAL);
    assert_int_equal(cause_full_disk(STATUS_INVALID_FIELD, &full), STATUS_INVALID_FIELD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_is_named_without_its_directory),
        cmocka_unit_test(an_error_that_was_passed_on_with_the_name_loses_both),
        cmocka_unit_test(a_cause_without_a_file_stays),
        cmocka_unit_test(a_cut_path_is_no_path_told),
        cmocka_unit_test(any_other_path_makes_it_general),
        cmocka_unit_test(a_text_that_speaks_of_a_full_disk_is_storage_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
