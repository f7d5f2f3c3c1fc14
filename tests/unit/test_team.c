/* Threads that compute together: who is called, on which thread, at which nice value. */
#include "model/network/team.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 3 };

struct seen {
    pid_t thread[THREADS];
    int nice[THREADS], calls[THREADS];
};

static void note(void *context, unsigned member) {
    struct seen *seen = context;
    seen->thread[member] = gettid();
    seen->nice[member] = getpriority(PRIO_PROCESS, (id_t)gettid());
    seen->calls[member]++;
}

static struct team *team_of(unsigned threads) {
    struct team *team;
    struct error err;
    assert_int_equal(team_create(threads, &team, &err), STATUS_OK);
    return team;
}

static void each_member_is_called_once_on_its_own_thread(void **state) {
    (void)state;
    struct team *team = team_of(THREADS);
    struct seen seen = {0};
    for (int round = 1; round <= 1000; round++) {
        team_run(team, THREADS, note, &seen);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(seen.calls[i], round);
    }
    assert_int_equal(seen.thread[0], gettid());
    assert_int_not_equal(seen.thread[1], seen.thread[0]);
    assert_int_not_equal(seen.thread[2], seen.thread[0]);
    assert_int_not_equal(seen.thread[1], seen.thread[2]);
    team_destroy(team);
}

static void members_that_are_not_asked_for_sleep(void **state) {
    (void)state;
    struct team *team = team_of(THREADS);
    struct seen seen = {0};
    for (unsigned round = 0; round < 999; round++)
        team_run(team, round % THREADS + 1, note, &seen);
    assert_int_equal(seen.calls[0], 999);
    assert_int_equal(seen.calls[1], 666);
    assert_int_equal(seen.calls[2], 333);
    team_destroy(team);
}

static void a_team_of_one_is_the_caller(void **state) {
    (void)state;
    struct team *team = team_of(1);
    struct seen seen = {0};
    team_run(team, 1, note, &seen);
    assert_int_equal(seen.thread[0], gettid());
    team_destroy(team);
}

static void helpers_are_as_nice_as_the_caller(void **state) {
    (void)state;
    struct team *team = team_of(THREADS);
    struct seen seen = {0};
    int before = getpriority(PRIO_PROCESS, (id_t)gettid());
    setpriority(PRIO_PROCESS, (id_t)gettid(), before + 1); /* of this thread alone */
    int wanted = getpriority(PRIO_PROCESS, (id_t)gettid());
    team_run(team, THREADS, note, &seen);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(seen.nice[i], wanted);
    team_destroy(team);
}

static void *create_nicely(void *team) {
    setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, (id_t)gettid()) + 3);
    *(struct team **)team = team_of(THREADS);
    struct seen seen = {0};
    team_run(*(struct team **)team, THREADS, note, &seen);
    return NULL;
}

/* As an unprivileged process must: without lowering the nice value of a thread. */
static void helpers_of_a_nicer_thread_are_replaced(void **state) {
    (void)state;
    struct team *team;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, create_nicely, &team), 0);
    pthread_join(thread, NULL);
    struct seen seen = {0};
    for (int round = 1; round <= 3; round++) {
        team_run(team, THREADS, note, &seen);
        for (int i = 0; i < THREADS; i++) {
            assert_int_equal(seen.calls[i], round);
            assert_int_equal(seen.nice[i], getpriority(PRIO_PROCESS, (id_t)gettid()));
        }
    }
    team_destroy(team);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_member_is_called_once_on_its_own_thread),
        cmocka_unit_test(members_that_are_not_asked_for_sleep),
        cmocka_unit_test(a_team_of_one_is_the_caller),
        cmocka_unit_test(helpers_of_a_nicer_thread_are_replaced),
        cmocka_unit_test(helpers_are_as_nice_as_the_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
