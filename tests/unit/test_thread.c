/* Threads of the program's own. */
#include "server/thread.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>

#include <cmocka.h>

struct seen {
    char name[THREAD_NAME_SIZE];
    sigset_t mask;
};

static void *look(void *argument) {
    struct seen *seen = argument;
    prctl(PR_GET_NAME, seen->name);
    pthread_sigmask(SIG_SETMASK, NULL, &seen->mask);
    return NULL;
}

static void start_and_join(const char *name, struct seen *seen) {
    pthread_t thread;
    assert_int_equal(thread_start(&thread, name, look, seen), 0);
    pthread_join(thread, NULL);
}

static void test_it_has_its_name(void **state) {
    (void)state;
    struct seen seen;
    start_and_join("prepare-0", &seen);
    assert_string_equal(seen.name, "prepare-0");
}

static void test_a_long_name_is_cut(void **state) {
    (void)state;
    struct seen seen;
    start_and_join("a name of twenty-two b", &seen);
    assert_string_equal(seen.name, "a name of twent");
}

static void test_it_takes_no_signal(void **state) {
    (void)state;
    struct seen seen;
    start_and_join("deaf", &seen);
    assert_true(sigismember(&seen.mask, SIGTERM) && sigismember(&seen.mask, SIGHUP));
}

static void test_who_starts_it_stays_as_it_was(void **state) {
    (void)state;
    struct seen before, started, after;
    look(&before);
    start_and_join("other", &started);
    look(&after);
    assert_string_equal(after.name, before.name);
    assert_false(sigismember(&after.mask, SIGTERM));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_it_has_its_name),
                                       cmocka_unit_test(test_a_long_name_is_cut),
                                       cmocka_unit_test(test_it_takes_no_signal),
                                       cmocka_unit_test(test_who_starts_it_stays_as_it_was)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
