#include "server/pool.h"

#include "server/cgroup.h"
#include "server/clock.h"
#include "server/memory.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* What the pools of these tests share: contexts are numbered, and one of them may fail. */
struct bench {
    atomic_int created, destroyed, live;
    int fails_at; /* which creation fails, from 1; 0: none */
};

struct context {
    struct bench *bench;
    pthread_t thread;
};

static enum status create_context(void *argument, void **context, struct error *err) {
    struct bench *bench = argument;
    if (atomic_fetch_add(&bench->created, 1) + 1 == bench->fails_at)
        return error_set(err, STATUS_OVERLOADED, "No room for a context.");
    struct context *made = malloc(sizeof *made);
    if (!made)
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    made->bench = bench;
    made->thread = pthread_self();
    atomic_fetch_add(&bench->live, 1);
    *context = made;
    return STATUS_OK;
}

static void destroy_context(void *context) {
    struct context *made = context;
    atomic_fetch_add(&made->bench->destroyed, 1);
    atomic_fetch_sub(&made->bench->live, 1);
    free(made);
}

struct job {
    struct pool_task task;
    atomic_int *runs, *strangers;
};

static void run_job(struct pool_task *task, void *context) {
    struct job *job = (struct job *)task;
    if (!pthread_equal(((struct context *)context)->thread, pthread_self()))
        atomic_fetch_add(job->strangers, 1);
    atomic_fetch_add(job->runs, 1);
    free(job);
}

static struct pool_options options_of(struct bench *bench, unsigned threads) {
    return (struct pool_options){.name = "test",
                                 .threads = threads,
                                 .tasks_max = 16,
                                 .context_create = create_context,
                                 .context_destroy = destroy_context,
                                 .argument = bench};
}

static void each_task_runs_once_with_the_context_of_its_own_thread(void **state) {
    (void)state;
    struct bench bench = {0};
    struct pool_options options = options_of(&bench, 4);
    struct pool *pool;
    struct error err;
    atomic_int runs = 0, strangers = 0;
    assert_int_equal(pool_create(&options, &pool, &err), STATUS_OK);
    assert_int_equal(bench.live, 4); /* all of them before pool_create returned */
    for (int i = 0; i < 1000; i++) {
        struct job *job = malloc(sizeof *job);
        assert_non_null(job);
        *job = (struct job){.task.run = run_job, .runs = &runs, .strangers = &strangers};
        while (!pool_submit(pool, &job->task))
            sched_yield();
    }
    pool_destroy(pool);
    assert_int_equal(runs, 1000);
    assert_int_equal(strangers, 0);
    assert_int_equal(bench.created, 4);
    assert_int_equal(bench.destroyed, 4);
}

static void a_pool_with_a_failing_context_fails_with_its_cause_and_leaves_nothing(void **state) {
    (void)state;
    for (int fails_at = 1; fails_at <= 4; fails_at++) {
        struct bench bench = {.fails_at = fails_at};
        struct pool_options options = options_of(&bench, 4);
        struct pool *pool = NULL;
        struct error err;
        assert_int_equal(pool_create(&options, &pool, &err), STATUS_OVERLOADED);
        assert_string_equal(err.detail, "No room for a context.");
        assert_null(pool);
        assert_int_equal(bench.live, 0);
        assert_int_equal(bench.destroyed, bench.created - 1);
    }
}

static void a_failing_pool_needs_no_place_for_its_sentence(void **state) {
    (void)state;
    struct bench bench = {.fails_at = 1};
    struct pool_options options = options_of(&bench, 1);
    struct pool *pool;
    assert_int_equal(pool_create(&options, &pool, NULL), STATUS_OVERLOADED);
}

/* ---- a task that holds its thread until it is let go ---- */
struct gate {
    struct pool_task task;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool entered, open;
};

static void run_gate(struct pool_task *task, void *context) {
    (void)context;
    struct gate *gate = (struct gate *)task;
    pthread_mutex_lock(&gate->lock);
    gate->entered = true;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void gate_await_entry(struct gate *gate) {
    pthread_mutex_lock(&gate->lock);
    while (!gate->entered)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void gate_open(struct gate *gate) {
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_mutex_unlock(&gate->lock);
    pthread_cond_broadcast(&gate->changed);
}

struct count {
    struct pool_task task;
    atomic_int runs;
};

static void run_count(struct pool_task *task, void *context) {
    (void)context;
    atomic_fetch_add(&((struct count *)task)->runs, 1);
}

static void a_full_pool_refuses_and_destroying_it_runs_what_is_queued(void **state) {
    (void)state;
    struct pool_options options = {.name = "gated", .threads = 1, .tasks_max = 2};
    struct pool *pool;
    struct error err;
    struct gate gate = {.task.run = run_gate,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .changed = PTHREAD_COND_INITIALIZER};
    struct count counts[3] = {
        {.task.run = run_count}, {.task.run = run_count}, {.task.run = run_count}};
    assert_int_equal(pool_create(&options, &pool, &err), STATUS_OK);
    assert_true(pool_submit(pool, &gate.task));
    gate_await_entry(&gate);
    assert_true(pool_submit(pool, &counts[0].task));
    assert_true(pool_submit(pool, &counts[1].task));
    assert_false(pool_submit(pool, &counts[2].task));
    assert_int_equal(queue_length(pool_queue(pool)), 2);
    assert_int_equal(queue_capacity(pool_queue(pool)), 2);
    gate_open(&gate);
    pool_destroy(pool);
    assert_int_equal(counts[0].runs, 1);
    assert_int_equal(counts[1].runs, 1);
    assert_int_equal(counts[2].runs, 0);
}

struct look {
    struct pool_task task;
    char name[16];
    int nice;
    bool blocks_term;
};

static void run_look(struct pool_task *task, void *context) {
    (void)context;
    struct look *look = (struct look *)task;
    sigset_t blocked;
    pthread_getname_np(pthread_self(), look->name, sizeof look->name);
    look->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    look->blocks_term = sigismember(&blocked, SIGTERM);
}

static void threads_are_named_nicer_and_deaf_to_signals_and_the_caller_is_not(void **state) {
    (void)state;
    int nice_before = getpriority(PRIO_PROCESS, (id_t)gettid());
    struct pool_options options = {.name = "prepare", .threads = 1, .tasks_max = 1, .nice = 3};
    struct pool *pool;
    struct error err;
    struct look look = {.task.run = run_look};
    assert_int_equal(pool_create(&options, &pool, &err), STATUS_OK);
    assert_true(pool_submit(pool, &look.task));
    pool_destroy(pool);
    assert_string_equal(look.name, "prepare-0");
    assert_int_equal(look.nice, nice_before + 3 > 19 ? 19 : nice_before + 3);
    assert_true(look.blocks_term);
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    assert_false(sigismember(&blocked, SIGTERM));
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)gettid()), nice_before);
}

static void a_pool_is_waited_for_until_its_threads_have_ended_or_the_time_has(void **state) {
    (void)state;
    struct bench bench = {0};
    struct pool_options options = options_of(&bench, 2);
    struct pool *pool;
    struct gate gate = {.task.run = run_gate}, late = {.task.run = run_gate};
    pthread_mutex_init(&gate.lock, NULL);
    pthread_cond_init(&gate.changed, NULL);
    assert_int_equal(pool_create(&options, &pool, NULL), STATUS_OK);
    assert_true(pool_submit(pool, &gate.task));
    gate_await_entry(&gate);
    uint64_t until_us = clock_monotonic_us() + 20000;
    assert_false(pool_end_by(pool, until_us));
    assert_true(clock_monotonic_us() >= until_us);
    assert_false(pool_submit(pool, &late.task));
    gate_open(&gate);
    assert_true(pool_end_by(pool, UINT64_MAX));
    assert_int_equal(bench.destroyed, 2);
    pool_destroy(pool);
    assert_true(pool_end_by(NULL, 0));
    pthread_cond_destroy(&gate.changed);
    pthread_mutex_destroy(&gate.lock);
}

static void destroying_no_pool_is_allowed(void **state) {
    (void)state;
    pool_destroy(NULL);
}

/* ---- cpus.h ---- */
static void a_quota_counts_as_cpus_rounded_up(void **state) {
    (void)state;
    assert_int_equal(cpus_of_quota("200000 100000\n"), 2);
    assert_int_equal(cpus_of_quota("150000 100000\n"), 2);
    assert_int_equal(cpus_of_quota("1000 100000\n"), 1);
    assert_int_equal(cpus_of_quota("400000 50000"), 8);
}

static void what_is_no_quota_limits_nothing(void **state) {
    (void)state;
    static const char *const texts[] = {"max 100000\n",    "",
                                        "200000",          "200000 \n",
                                        "-1 100000\n",     "0 100000\n",
                                        "100000 0\n",      "200000 100000 3\n",
                                        "200000  x\n",     "99999999999999999999 1\n",
                                        "9000000000000 1", "2 99999999999999999999\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(cpus_of_quota(texts[i]), CPUS_UNLIMITED);
}

static void write_cpu_max(const char *root, const char *folder, const char *text) {
    char name[256];
    snprintf(name, sizeof name, "%s%s", root, folder);
    mkdir(name, 0700);
    snprintf(name, sizeof name, "%s%s/cpu.max", root, folder);
    if (!text) {
        unlink(name);
        return;
    }
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void the_smallest_quota_from_the_cgroup_up_to_the_root_counts(void **state) {
    (void)state;
    char root[] = "/tmp/test_pool.XXXXXX";
    assert_non_null(mkdtemp(root));
    write_cpu_max(root, "", NULL);
    write_cpu_max(root, "/a", "300000 100000\n");
    write_cpu_max(root, "/a/b", "max 100000\n");
    assert_int_equal(cpus_of_cgroup(root, "/a/b"), 3);
    assert_int_equal(cpus_of_cgroup(root, "/"), CPUS_UNLIMITED);
    assert_int_equal(cpus_of_cgroup(root, "/elsewhere/of/the/host"), CPUS_UNLIMITED);
    write_cpu_max(root, "/a/b", "500000 100000\n");
    assert_int_equal(cpus_of_cgroup(root, "/a/b"), 3);
    write_cpu_max(root, "", "400000 100000\n");
    assert_int_equal(cpus_of_cgroup(root, "/a/b"), 3);
    write_cpu_max(root, "", "150000 100000\n");
    assert_int_equal(cpus_of_cgroup(root, "/a/b"), 2);
    assert_int_equal(cpus_of_cgroup(root, "/elsewhere/of/the/host"), 2);
    assert_int_equal(cpus_of_cgroup(root, "/../a"), 2);

    static const char *const rest[] = {"/a/b/cpu.max", "/a/b", "/a/cpu.max", "/a", "/cpu.max", ""};
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++) {
        char name[256];
        snprintf(name, sizeof name, "%s%s", root, rest[i]);
        assert_int_equal(remove(name), 0);
    }
}

static void a_line_of_proc_cgroup_is_of_its_controller_alone(void **state) {
    (void)state;
    assert_string_equal(cgroup_path("0::/a/b", ""), "/a/b");
    assert_string_equal(cgroup_path("4:memory:/docker/1", "memory"), "/docker/1");
    assert_string_equal(cgroup_path("3:cpu,memory,hugetlb:/x", "memory"), "/x");
    assert_string_equal(cgroup_path("3:hugetlb,memory:/x", "memory"), "/x");
    static const char *const others[] = {"0::/a",          "4:memoryx:/a", "4:xmemory:/a",
                                         "4:cpu:/memory:", "4:cpu",        "memory"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_null(cgroup_path(others[i], "memory"));
    assert_null(cgroup_path("4:memory:/a", ""));
}

static void a_limit_of_memory_is_whole_bytes(void **state) {
    (void)state;
    assert_true(memory_of_max("1073741824\n") == 1073741824);
    static const char *const texts[] = {"max\n", "",      "0\n",   "-1\n",
                                        "+5\n",  "12 \n", "12K\n", "99999999999999999999\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_true(memory_of_max(texts[i]) == CGROUP_UNLIMITED);
    assert_true(memory_granted() > 1 << 20);
    assert_true(memory_granted() <=
                (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
}

static void a_process_bound_to_one_cpu_is_granted_one(void **state) {
    (void)state;
    assert_in_range(cpus_granted(), 1, (unsigned)sysconf(_SC_NPROCESSORS_CONF));
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &before))
        cpu++;
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(cpus_granted(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_task_runs_once_with_the_context_of_its_own_thread),
        cmocka_unit_test(a_pool_with_a_failing_context_fails_with_its_cause_and_leaves_nothing),
        cmocka_unit_test(a_failing_pool_needs_no_place_for_its_sentence),
        cmocka_unit_test(a_full_pool_refuses_and_destroying_it_runs_what_is_queued),
        cmocka_unit_test(threads_are_named_nicer_and_deaf_to_signals_and_the_caller_is_not),
        cmocka_unit_test(a_pool_is_waited_for_until_its_threads_have_ended_or_the_time_has),
        cmocka_unit_test(destroying_no_pool_is_allowed),
        cmocka_unit_test(a_quota_counts_as_cpus_rounded_up),
        cmocka_unit_test(what_is_no_quota_limits_nothing),
        cmocka_unit_test(the_smallest_quota_from_the_cgroup_up_to_the_root_counts),
        cmocka_unit_test(a_line_of_proc_cgroup_is_of_its_controller_alone),
        cmocka_unit_test(a_limit_of_memory_is_whole_bytes),
        cmocka_unit_test(a_process_bound_to_one_cpu_is_granted_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
